-- phase: expand
-- description: plugins, policies, actions, attempts, egress calls and the evidence log of a workspace
-- reversible: yes
-- lock-budget-ms: 500

CREATE TABLE plugins (
  workspace_id text NOT NULL,
  id uuid NOT NULL,
  name text NOT NULL,
  version text NOT NULL,
  digest text NOT NULL,
  module_digest text NOT NULL,
  rewriter text NOT NULL,
  manifest jsonb NOT NULL,
  manifest_digest text NOT NULL,
  admission jsonb NOT NULL,
  state text NOT NULL CHECK (state IN ('active', 'pending-approval', 'quarantined')),
  uploaded_by text NOT NULL,
  created_at timestamptz(3) NOT NULL,
  PRIMARY KEY (workspace_id, name, version)
);
CREATE UNIQUE INDEX plugins_by_id ON plugins (workspace_id, id);

CREATE TABLE plugin_egress (
  workspace_id text NOT NULL,
  plugin text NOT NULL,
  rules jsonb NOT NULL,
  networks jsonb NOT NULL,
  revision bigint NOT NULL,
  changed_by text NOT NULL,
  changed_at timestamptz(3) NOT NULL,
  PRIMARY KEY (workspace_id, plugin)
);

CREATE TABLE policies (
  workspace_id text NOT NULL,
  version integer NOT NULL,
  id uuid NOT NULL,
  text text NOT NULL,
  active boolean NOT NULL,
  created_at timestamptz(3) NOT NULL,
  PRIMARY KEY (workspace_id, version)
);
CREATE UNIQUE INDEX policies_one_active ON policies (workspace_id) WHERE active;

CREATE TABLE actions (
  workspace_id text NOT NULL,
  id uuid NOT NULL,
  state text NOT NULL,
  tier text,
  plugin text NOT NULL,
  version text NOT NULL,
  plugin_digest text NOT NULL,
  operation text NOT NULL,
  effect text NOT NULL,
  input_digest text NOT NULL,
  contract_digest text NOT NULL,
  contract jsonb NOT NULL,
  limits jsonb NOT NULL,
  seed text NOT NULL,
  labels jsonb NOT NULL,
  requested_by uuid NOT NULL,
  policy_version integer NOT NULL,
  fence integer NOT NULL DEFAULT 0,
  output_digest text,
  error jsonb,
  trace text,
  created_at timestamptz(3) NOT NULL,
  finished_at timestamptz(3),
  PRIMARY KEY (workspace_id, id)
);
CREATE INDEX actions_by_state ON actions (workspace_id, state, id);

CREATE TABLE idempotency_keys (
  workspace_id text NOT NULL,
  principal uuid NOT NULL,
  route text NOT NULL,
  key text NOT NULL,
  request_digest text NOT NULL,
  action_id uuid NOT NULL,
  created_at timestamptz(3) NOT NULL,
  PRIMARY KEY (workspace_id, principal, route, key)
);

CREATE TABLE attempts (
  workspace_id text NOT NULL,
  id uuid NOT NULL,
  action_id uuid NOT NULL,
  fence integer NOT NULL,
  host text NOT NULL,
  isolation text NOT NULL,
  engine text NOT NULL,
  lease_until timestamptz(3) NOT NULL,
  started_at timestamptz(3) NOT NULL,
  finished_at timestamptz(3),
  verdict text,
  error jsonb,
  usage jsonb,
  logs jsonb,
  PRIMARY KEY (workspace_id, id),
  UNIQUE (workspace_id, action_id, fence)
);

CREATE TABLE egress_calls (
  workspace_id text NOT NULL,
  attempt_id uuid NOT NULL,
  call integer NOT NULL,
  action_id uuid NOT NULL,
  record jsonb NOT NULL,
  recorded_at timestamptz(3) NOT NULL,
  PRIMARY KEY (workspace_id, attempt_id, call)
);
CREATE INDEX egress_calls_by_action ON egress_calls (workspace_id, action_id, attempt_id, call);

CREATE TABLE log_heads (
  workspace_id text PRIMARY KEY,
  size bigint NOT NULL,
  hash text,
  time timestamptz(3) NOT NULL
);

-- The exact bytes are what was hashed; the columns beside them only find them.
CREATE TABLE log_entries (
  workspace_id text NOT NULL,
  seq bigint NOT NULL,
  hash text NOT NULL,
  type text NOT NULL,
  action_id uuid,
  action_seq integer,
  bytes bytea NOT NULL CHECK (length(bytes) <= 65535),
  PRIMARY KEY (workspace_id, seq)
);
CREATE UNIQUE INDEX log_entries_by_action ON log_entries (workspace_id, action_id, action_seq) WHERE action_id IS NOT NULL;

CREATE TABLE log_checkpoints (
  workspace_id text PRIMARY KEY,
  size bigint NOT NULL,
  note text NOT NULL,
  range jsonb NOT NULL,
  signed_at timestamptz(3) NOT NULL
);

CREATE FUNCTION refuse_log_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the evidence log is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER log_entries_append_only BEFORE UPDATE OR DELETE ON log_entries
  FOR EACH ROW EXECUTE FUNCTION refuse_log_change();
CREATE TRIGGER log_entries_no_truncate BEFORE TRUNCATE ON log_entries
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_log_change();

DO $$
DECLARE tenant_table text;
BEGIN
  FOREACH tenant_table IN ARRAY ARRAY['plugins', 'plugin_egress', 'policies', 'actions', 'idempotency_keys',
    'attempts', 'egress_calls', 'log_heads', 'log_entries', 'log_checkpoints'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
    -- With no binding current_setting is null, so the policy admits no row.
    EXECUTE format('CREATE POLICY bound_workspace ON %I USING (workspace_id = nullif(current_setting(''portarium.workspace'', true), '''')) WITH CHECK (workspace_id = nullif(current_setting(''portarium.workspace'', true), ''''))', tenant_table);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO portarium_runtime', tenant_table);
  END LOOP;
END $$;

GRANT UPDATE ON plugin_egress, actions, attempts, log_heads, log_checkpoints TO portarium_runtime;
GRANT UPDATE (active) ON policies TO portarium_runtime;
GRANT DELETE ON idempotency_keys TO portarium_runtime;
