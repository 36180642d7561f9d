-- phase: expand
-- description: what background verification and the reconciler know: positions and findings
-- reversible: yes
-- lock-budget-ms: 500

-- Where each of the two has got to in a workspace; all of it can be found again from the start.
CREATE TABLE watch_states (
  workspace_id text NOT NULL,
  source text NOT NULL CHECK (source IN ('verification', 'reconciliation')),
  state jsonb NOT NULL,
  PRIMARY KEY (workspace_id, source)
);

-- What does not agree, until it does.
CREATE TABLE watch_findings (
  workspace_id text NOT NULL,
  source text NOT NULL CHECK (source IN ('verification', 'reconciliation')),
  rule text NOT NULL,
  -- Number of the entry, digest, id, or nothing: with the rule it names the finding.
  subject text NOT NULL,
  seq bigint,
  message text NOT NULL,
  found_at timestamptz(3) NOT NULL,
  -- Whether the log of the instance says so.
  told boolean NOT NULL DEFAULT false,
  PRIMARY KEY (workspace_id, source, rule, subject)
);

DO $$
DECLARE tenant_table text;
BEGIN
  FOREACH tenant_table IN ARRAY ARRAY['watch_states', 'watch_findings'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('CREATE POLICY bound_workspace ON %I USING (workspace_id = nullif(current_setting(''portarium.workspace'', true), '''')) WITH CHECK (workspace_id = nullif(current_setting(''portarium.workspace'', true), ''''))', tenant_table);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO portarium_runtime', tenant_table);
  END LOOP;
END $$;
GRANT DELETE ON watch_findings TO portarium_runtime;
