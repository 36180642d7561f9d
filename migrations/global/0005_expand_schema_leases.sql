-- phase: expand
-- description: which schema the processes that run were made for
-- reversible: yes
-- lock-budget-ms: 500

-- A Contract waits until no process needs what it takes away. A row that was not renewed counts no more.
CREATE TABLE schema_leases (
  process uuid PRIMARY KEY,
  role text NOT NULL,
  -- Of the product.
  version text NOT NULL,
  -- The newest file that its release has, of either folder.
  global_version integer NOT NULL,
  tenant_version integer NOT NULL,
  started_at timestamptz(3) NOT NULL,
  expires_at timestamptz(3) NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON schema_leases TO portarium_runtime;
