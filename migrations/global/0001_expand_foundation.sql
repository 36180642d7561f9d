-- phase: expand
-- description: workspaces, keys, settings, outbox and dispatch queue
-- reversible: yes
-- lock-budget-ms: 500

CREATE TABLE workspaces (
  id text PRIMARY KEY,
  name text NOT NULL,
  tenancy_tier text NOT NULL CHECK (tenancy_tier IN ('A', 'B', 'C')),
  created_at timestamptz(3) NOT NULL
);

-- Keys of people, services, agents and sandbox hosts. A null workspace reaches the whole instance.
CREATE TABLE api_keys (
  id uuid PRIMARY KEY,
  workspace_id text REFERENCES workspaces (id),
  name text NOT NULL,
  owner text NOT NULL,
  role text NOT NULL,
  secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
  created_at timestamptz(3) NOT NULL,
  expires_at timestamptz(3),
  revoked_at timestamptz(3),
  last_used_at timestamptz(3)
);
CREATE INDEX api_keys_by_workspace ON api_keys (workspace_id, id);

-- Events on their way out, written in the transaction of what they tell.
CREATE TABLE outbox (
  workspace_id text NOT NULL,
  seq bigint NOT NULL,
  event_id uuid NOT NULL UNIQUE,
  subject text NOT NULL,
  envelope text NOT NULL,
  published_at timestamptz(3),
  PRIMARY KEY (workspace_id, seq)
);
CREATE INDEX outbox_unpublished ON outbox (workspace_id, seq) WHERE published_at IS NULL;

-- Actions whose workflow is not known to have started; the sweeper starts what a crash left behind.
CREATE TABLE dispatch_queue (
  workspace_id text NOT NULL,
  action_id uuid PRIMARY KEY,
  due_at timestamptz(3) NOT NULL
);
CREATE INDEX dispatch_queue_due ON dispatch_queue (due_at);

GRANT SELECT, INSERT ON workspaces TO portarium_runtime;
GRANT SELECT, INSERT ON api_keys TO portarium_runtime;
GRANT UPDATE (revoked_at, last_used_at) ON api_keys TO portarium_runtime;
GRANT SELECT, INSERT ON outbox TO portarium_runtime;
GRANT UPDATE (published_at) ON outbox TO portarium_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON dispatch_queue TO portarium_runtime;
