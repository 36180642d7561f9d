-- phase: expand
-- description: dry runs of actions
-- reversible: yes
-- lock-budget-ms: 500

ALTER TABLE actions
  ADD COLUMN dry_run boolean NOT NULL DEFAULT false,
  -- The action that waits for people, and that this one is a dry run of.
  ADD COLUMN dry_run_of uuid;
CREATE INDEX actions_dry_runs ON actions (workspace_id, input_digest, id) WHERE dry_run;
