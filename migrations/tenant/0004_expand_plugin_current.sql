-- phase: expand
-- description: the version of a plugin that actions run when they name none
-- reversible: yes
-- lock-budget-ms: 500

-- A plugin without a row here runs its newest version.
CREATE TABLE plugin_current (
  workspace_id text NOT NULL,
  plugin text NOT NULL,
  version text NOT NULL,
  revision bigint NOT NULL CHECK (revision >= 1),
  changed_by text NOT NULL,
  changed_at timestamptz(3) NOT NULL,
  PRIMARY KEY (workspace_id, plugin)
);
ALTER TABLE plugin_current ENABLE ROW LEVEL SECURITY;
ALTER TABLE plugin_current FORCE ROW LEVEL SECURITY;
CREATE POLICY bound_workspace ON plugin_current
  USING (workspace_id = nullif(current_setting('portarium.workspace', true), ''))
  WITH CHECK (workspace_id = nullif(current_setting('portarium.workspace', true), ''));
GRANT SELECT, INSERT, UPDATE ON plugin_current TO portarium_runtime;
