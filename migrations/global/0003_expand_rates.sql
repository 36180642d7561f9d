-- phase: expand
-- description: token buckets of rate limits, from which every replica leases blocks
-- reversible: yes
-- lock-budget-ms: 500

-- After a crash every bucket is full again, which harms nobody: no need to write it ahead.
CREATE UNLOGGED TABLE rate_buckets (
  scope text PRIMARY KEY,
  tokens double precision NOT NULL,
  -- What the last lease got.
  granted integer NOT NULL,
  refilled_at timestamptz NOT NULL
);
CREATE INDEX rate_buckets_by_age ON rate_buckets (refilled_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON rate_buckets TO portarium_runtime;
