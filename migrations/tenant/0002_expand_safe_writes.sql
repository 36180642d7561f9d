-- phase: expand
-- description: the journal of an action, approvals with their decisions and rules, credentials
-- reversible: yes
-- lock-budget-ms: 500

ALTER TABLE actions ADD COLUMN order_digest text;
ALTER TABLE actions ADD COLUMN replaces uuid;
-- What the contract's slots stood for when the action was requested: [{slot, id, version}].
ALTER TABLE actions ADD COLUMN credentials jsonb NOT NULL DEFAULT '[]';

-- Keys by what they granted: {"rule ID": key, "network NAME": key}.
ALTER TABLE plugin_egress ADD COLUMN authors jsonb NOT NULL DEFAULT '{}';

-- One ordered list of egress calls an action, over all its attempts; takes the place of egress_calls.
CREATE TABLE journal (
  workspace_id text NOT NULL,
  action_id uuid NOT NULL,
  call integer NOT NULL CHECK (call >= 0),
  attempt_id uuid NOT NULL,
  record jsonb NOT NULL,
  write boolean NOT NULL,
  keyed_header text,
  keyed_until timestamptz(3),
  intended_at timestamptz(3),
  -- The last attempt that was let send it.
  intended_by uuid,
  -- A person said that an unanswered write did not happen: it may be sent once more.
  released boolean NOT NULL DEFAULT false,
  PRIMARY KEY (workspace_id, action_id, call)
);
-- Forced row-level security holds for the owner too; what runs here concerns every workspace.
ALTER TABLE egress_calls NO FORCE ROW LEVEL SECURITY;
ALTER TABLE attempts NO FORCE ROW LEVEL SECURITY;
INSERT INTO journal (workspace_id, action_id, call, attempt_id, record, write)
  SELECT DISTINCT ON (c.workspace_id, c.action_id, c.call)
    c.workspace_id, c.action_id, c.call, c.attempt_id,
    jsonb_set(c.record, '{ms}', to_jsonb(ceil((c.record->>'ms')::numeric)::integer)), false
  FROM egress_calls c JOIN attempts a ON a.workspace_id = c.workspace_id AND a.id = c.attempt_id
  ORDER BY c.workspace_id, c.action_id, c.call, a.fence DESC;
ALTER TABLE egress_calls FORCE ROW LEVEL SECURITY;
ALTER TABLE attempts FORCE ROW LEVEL SECURITY;

-- Response bodies of actions that are not over; afterwards they are in the artifacts.
CREATE TABLE journal_bodies (
  workspace_id text NOT NULL,
  action_id uuid NOT NULL,
  digest text NOT NULL,
  bytes bytea NOT NULL,
  PRIMARY KEY (workspace_id, action_id, digest)
);

CREATE TABLE approvals (
  workspace_id text NOT NULL,
  id uuid NOT NULL,
  action_id uuid NOT NULL,
  state text NOT NULL CHECK (state IN ('open', 'granted', 'denied', 'changes-requested', 'expired', 'voided')),
  digest text NOT NULL,
  statement jsonb NOT NULL,
  quorum integer NOT NULL CHECK (quorum >= 1),
  roles text[] NOT NULL,
  excluded text[] NOT NULL,
  created_at timestamptz(3) NOT NULL,
  decide_before timestamptz(3) NOT NULL,
  execute_before timestamptz(3) NOT NULL,
  decided_at timestamptz(3),
  consumed_at timestamptz(3),
  PRIMARY KEY (workspace_id, id)
);
CREATE INDEX approvals_by_action ON approvals (workspace_id, action_id, id);
CREATE INDEX approvals_by_state ON approvals (workspace_id, state, id);
CREATE INDEX approvals_pending ON approvals (workspace_id, decide_before) WHERE state = 'open' OR (state = 'granted' AND consumed_at IS NULL);
-- An action never has two approvals that could be granted.
CREATE UNIQUE INDEX approvals_one_live ON approvals (workspace_id, action_id) WHERE state IN ('open', 'granted');

CREATE TABLE approval_decisions (
  workspace_id text NOT NULL,
  approval_id uuid NOT NULL,
  person text NOT NULL,
  key_id uuid NOT NULL,
  decision text NOT NULL CHECK (decision IN ('approve', 'deny', 'request-changes')),
  rationale text NOT NULL,
  decided_at timestamptz(3) NOT NULL,
  PRIMARY KEY (workspace_id, approval_id, person)
);

CREATE TABLE approval_rules (
  workspace_id text PRIMARY KEY,
  quorum integer NOT NULL CHECK (quorum >= 1),
  roles text[] NOT NULL,
  decide_within_ms bigint NOT NULL,
  execute_within_ms bigint NOT NULL,
  revision bigint NOT NULL,
  changed_by uuid NOT NULL,
  changed_at timestamptz(3) NOT NULL
);

CREATE TABLE credentials (
  workspace_id text NOT NULL,
  id uuid NOT NULL,
  name text NOT NULL,
  host text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('bearer')),
  version integer NOT NULL CHECK (version >= 1),
  created_by uuid NOT NULL,
  created_at timestamptz(3) NOT NULL,
  rotated_at timestamptz(3),
  revoked_at timestamptz(3),
  PRIMARY KEY (workspace_id, id)
);
CREATE UNIQUE INDEX credentials_one_live ON credentials (workspace_id, name) WHERE revoked_at IS NULL;

DO $$
DECLARE tenant_table text;
BEGIN
  FOREACH tenant_table IN ARRAY ARRAY['journal', 'journal_bodies', 'approvals', 'approval_decisions', 'approval_rules', 'credentials'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('CREATE POLICY bound_workspace ON %I USING (workspace_id = nullif(current_setting(''portarium.workspace'', true), '''')) WITH CHECK (workspace_id = nullif(current_setting(''portarium.workspace'', true), ''''))', tenant_table);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO portarium_runtime', tenant_table);
  END LOOP;
END $$;

GRANT UPDATE (record, released, intended_by) ON journal TO portarium_runtime;
GRANT DELETE ON journal_bodies TO portarium_runtime;
GRANT UPDATE (state, decided_at, consumed_at) ON approvals TO portarium_runtime;
GRANT UPDATE ON approval_rules TO portarium_runtime;
GRANT UPDATE (version, rotated_at, revoked_at) ON credentials TO portarium_runtime;
