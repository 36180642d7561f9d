-- phase: expand
-- description: what people are asked about a plugin version that grew, and their decisions
-- reversible: yes
-- lock-budget-ms: 500

ALTER TABLE plugins DROP CONSTRAINT plugins_state_check;
ALTER TABLE plugins ADD CONSTRAINT plugins_state_check
  CHECK (state IN ('active', 'pending-approval', 'denied', 'quarantined'));
GRANT UPDATE (state) ON plugins TO portarium_runtime;

-- Whether it is open stands in the version's state; then the statement is about the version that runs
-- now, and the one here is that of the upload. Afterwards it is the one that was decided about.
CREATE TABLE plugin_approvals (
  workspace_id text NOT NULL,
  plugin_id uuid NOT NULL,
  digest text NOT NULL,
  statement jsonb NOT NULL,
  quorum integer NOT NULL CHECK (quorum >= 1),
  roles text[] NOT NULL,
  PRIMARY KEY (workspace_id, plugin_id)
);

CREATE TABLE plugin_decisions (
  workspace_id text NOT NULL,
  plugin_id uuid NOT NULL,
  -- Of the statement that was decided about: a decision about another does not count.
  digest text NOT NULL,
  person text NOT NULL,
  key_id uuid NOT NULL,
  decision text NOT NULL CHECK (decision IN ('approve', 'deny')),
  rationale text NOT NULL,
  decided_at timestamptz(3) NOT NULL,
  PRIMARY KEY (workspace_id, plugin_id, digest, person)
);

DO $$
DECLARE tenant_table text;
BEGIN
  FOREACH tenant_table IN ARRAY ARRAY['plugin_approvals', 'plugin_decisions'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('CREATE POLICY bound_workspace ON %I USING (workspace_id = nullif(current_setting(''portarium.workspace'', true), '''')) WITH CHECK (workspace_id = nullif(current_setting(''portarium.workspace'', true), ''''))', tenant_table);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO portarium_runtime', tenant_table);
  END LOOP;
END $$;

GRANT UPDATE (digest, statement) ON plugin_approvals TO portarium_runtime;
