-- phase: expand
-- description: weights of a rollout, quarantine by hand and after crashes, publisher signatures, and what a workspace asks of plugins
-- reversible: yes
-- lock-budget-ms: 500

-- {"1.2.0": 90, "1.3.0": 10}; null: `version` gets everything, until a newer one is uploaded.
ALTER TABLE plugin_current ADD COLUMN weights jsonb;

-- {at, cause, by?, rationale?, crashes?} while the version is quarantined.
ALTER TABLE plugins ADD COLUMN quarantine jsonb;
-- When a quarantine was lifted last: crashes before it do not count.
ALTER TABLE plugins ADD COLUMN lifted_at timestamptz(3);
-- {publisher, fingerprint, verifierKey, note}; null: nobody signed it.
ALTER TABLE plugins ADD COLUMN signature jsonb;
GRANT UPDATE (quarantine, lifted_at) ON plugins TO portarium_runtime;

-- Attempts that the guest's own failure ended, of the last window only.
CREATE TABLE plugin_crashes (
  workspace_id text NOT NULL,
  plugin text NOT NULL,
  version text NOT NULL,
  attempt_id uuid NOT NULL,
  -- Who answers for the key that asked for the action.
  person text NOT NULL,
  input_digest text NOT NULL,
  code text NOT NULL,
  crashed_at timestamptz(3) NOT NULL,
  PRIMARY KEY (workspace_id, plugin, version, crashed_at, attempt_id)
);
-- Whether anybody else asks for a plugin.
CREATE INDEX actions_by_asker ON actions (workspace_id, plugin, requested_by);

CREATE TABLE publishers (
  workspace_id text NOT NULL,
  -- SHA-256 of the public key: one key has one name, for ever.
  fingerprint text NOT NULL,
  name text NOT NULL,
  verifier_key text NOT NULL,
  trusted_by text NOT NULL,
  trusted_at timestamptz(3) NOT NULL,
  revoked_by text,
  revoked_at timestamptz(3),
  PRIMARY KEY (workspace_id, fingerprint)
);

-- A workspace without a row here has the platform's rules.
CREATE TABLE plugin_rules (
  workspace_id text PRIMARY KEY,
  signature text NOT NULL CHECK (signature IN ('optional', 'required')),
  quarantine_after integer NOT NULL CHECK (quarantine_after >= 0),
  crash_window_ms bigint NOT NULL CHECK (crash_window_ms > 0),
  revision bigint NOT NULL CHECK (revision >= 1),
  changed_by text NOT NULL,
  changed_at timestamptz(3) NOT NULL
);

DO $$
DECLARE tenant_table text;
BEGIN
  FOREACH tenant_table IN ARRAY ARRAY['plugin_crashes', 'publishers', 'plugin_rules'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('CREATE POLICY bound_workspace ON %I USING (workspace_id = nullif(current_setting(''portarium.workspace'', true), '''')) WITH CHECK (workspace_id = nullif(current_setting(''portarium.workspace'', true), ''''))', tenant_table);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO portarium_runtime', tenant_table);
  END LOOP;
END $$;

GRANT DELETE ON plugin_crashes TO portarium_runtime;
GRANT UPDATE (revoked_by, revoked_at) ON publishers TO portarium_runtime;
GRANT UPDATE ON plugin_rules TO portarium_runtime;
