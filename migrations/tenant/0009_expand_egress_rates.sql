-- phase: expand
-- description: how many calls the workspace made in the last minute under each egress rule that has a rate
-- reversible: yes
-- lock-budget-ms: 500

CREATE TABLE egress_rates (
  workspace_id text NOT NULL,
  plugin text NOT NULL,
  layer text NOT NULL CHECK (layer IN ('plugin', 'operator')),
  rule text NOT NULL,
  -- [[second since 1970, calls in it], …], the oldest first, of the last minute only.
  calls jsonb NOT NULL,
  PRIMARY KEY (workspace_id, plugin, layer, rule)
);
ALTER TABLE egress_rates ENABLE ROW LEVEL SECURITY;
ALTER TABLE egress_rates FORCE ROW LEVEL SECURITY;
CREATE POLICY bound_workspace ON egress_rates
  USING (workspace_id = nullif(current_setting('portarium.workspace', true), ''))
  WITH CHECK (workspace_id = nullif(current_setting('portarium.workspace', true), ''));
GRANT SELECT, INSERT, UPDATE ON egress_rates TO portarium_runtime;
