-- phase: expand
-- description: uploaded modules while a sandbox host tries them
-- reversible: yes
-- lock-budget-ms: 500

-- A row lives no longer than the request that made it, or a minute when that was cut off. Nothing runs
-- the bytes from here but the try itself.
CREATE TABLE plugin_candidates (
  workspace_id text NOT NULL,
  -- The id that the version gets when it is admitted.
  plugin_id uuid NOT NULL,
  module_digest text NOT NULL,
  module bytea NOT NULL,
  expires_at timestamptz NOT NULL,
  -- The host that has it now: {"host", "isolation", "engine"}.
  taken_by jsonb,
  -- What that host says: {"finding"} with null when it found nothing.
  verdict jsonb,
  PRIMARY KEY (workspace_id, plugin_id)
);
ALTER TABLE plugin_candidates ENABLE ROW LEVEL SECURITY;
ALTER TABLE plugin_candidates FORCE ROW LEVEL SECURITY;
CREATE POLICY bound_workspace ON plugin_candidates
  USING (workspace_id = nullif(current_setting('portarium.workspace', true), ''))
  WITH CHECK (workspace_id = nullif(current_setting('portarium.workspace', true), ''));
GRANT SELECT, INSERT, DELETE, UPDATE (taken_by, verdict) ON plugin_candidates TO portarium_runtime;
