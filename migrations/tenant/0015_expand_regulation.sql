-- phase: expand
-- description: workspaces whose artifacts need a store that passes the lock battery
-- reversible: yes
-- lock-budget-ms: 500

CREATE TABLE workspace_regulation (
  workspace_id text PRIMARY KEY,
  regulated boolean NOT NULL,
  revision bigint NOT NULL,
  changed_by uuid NOT NULL,
  changed_at timestamptz(3) NOT NULL
);
ALTER TABLE workspace_regulation ENABLE ROW LEVEL SECURITY;
ALTER TABLE workspace_regulation FORCE ROW LEVEL SECURITY;
CREATE POLICY bound_workspace ON workspace_regulation
  USING (workspace_id = nullif(current_setting('portarium.workspace', true), ''))
  WITH CHECK (workspace_id = nullif(current_setting('portarium.workspace', true), ''));
GRANT SELECT, INSERT, UPDATE ON workspace_regulation TO portarium_runtime;

-- Few, and the newest is looked for at each request of a regulated workspace.
CREATE INDEX log_entries_store_probes ON log_entries (workspace_id, seq) WHERE type = 'store.probed';
