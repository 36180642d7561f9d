-- phase: expand
-- description: what a workspace allows each attempt at most
-- reversible: yes
-- lock-budget-ms: 500

CREATE TABLE workspace_limits (
  workspace_id text PRIMARY KEY,
  -- {name of a limit: most}; what is not named is the platform's.
  limits jsonb NOT NULL,
  revision bigint NOT NULL,
  changed_by uuid NOT NULL,
  changed_at timestamptz(3) NOT NULL
);
ALTER TABLE workspace_limits ENABLE ROW LEVEL SECURITY;
ALTER TABLE workspace_limits FORCE ROW LEVEL SECURITY;
CREATE POLICY bound_workspace ON workspace_limits
  USING (workspace_id = nullif(current_setting('portarium.workspace', true), ''))
  WITH CHECK (workspace_id = nullif(current_setting('portarium.workspace', true), ''));
GRANT SELECT, INSERT, UPDATE ON workspace_limits TO portarium_runtime;
