-- phase: expand
-- description: roles of workspaces that have a schema of their own see their own rows of the global tables, and no others
-- reversible: yes
-- lock-budget-ms: 500

-- `provisioning`: its schema or database is being made; `deprovisioned`: it is gone, and its id is never given again.
ALTER TABLE workspaces ADD COLUMN state text NOT NULL DEFAULT 'active'
  CHECK (state IN ('provisioning', 'active', 'deprovisioned'));
-- Tier C: the secret of the vault with the address of its database.
ALTER TABLE workspaces ADD COLUMN database_secret uuid;
GRANT UPDATE (name, state, created_at, database_secret) ON workspaces TO portarium_runtime;

-- The workspace whose role acts: null for the roles of the instance.
CREATE FUNCTION own_workspace() RETURNS text LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN current_user ~ '^w[sd]_' THEN replace(substr(current_user, 4), '_', '-') END
$$;

DO $$
DECLARE global_table text;
BEGIN
  FOREACH global_table IN ARRAY ARRAY['workspaces', 'api_keys', 'outbox', 'dispatch_queue', 'migration_journal'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', global_table);
    EXECUTE format('CREATE POLICY instance ON %I TO portarium_runtime, portarium_destroy USING (true) WITH CHECK (true)', global_table);
  END LOOP;
END $$;

-- Keys of the whole instance act in every workspace.
CREATE POLICY tenant_reads ON api_keys FOR SELECT TO portarium_tenants USING (workspace_id IS NULL OR workspace_id = own_workspace());
CREATE POLICY tenant_adds ON api_keys FOR INSERT TO portarium_tenants WITH CHECK (workspace_id = own_workspace());
CREATE POLICY tenant_changes ON api_keys FOR UPDATE TO portarium_tenants USING (workspace_id = own_workspace()) WITH CHECK (workspace_id = own_workspace());
CREATE POLICY tenant ON outbox TO portarium_tenants USING (workspace_id = own_workspace()) WITH CHECK (workspace_id = own_workspace());
CREATE POLICY tenant ON dispatch_queue TO portarium_tenants USING (workspace_id = own_workspace()) WITH CHECK (workspace_id = own_workspace());
CREATE POLICY tenant ON workspaces TO portarium_tenants USING (id = own_workspace()) WITH CHECK (id = own_workspace());
CREATE POLICY tenant ON migration_journal TO portarium_tenants
  USING (target = 'workspace/' || own_workspace()) WITH CHECK (target = 'workspace/' || own_workspace());

GRANT SELECT (id, workspace_id, name, owner, created_by, role, created_at, expires_at, revoked_at, last_used_at) ON api_keys TO portarium_tenants;
GRANT INSERT, UPDATE (revoked_at) ON api_keys TO portarium_tenants;
GRANT SELECT, INSERT ON outbox TO portarium_tenants;
GRANT SELECT, INSERT, UPDATE ON dispatch_queue TO portarium_tenants;
GRANT SELECT ON workspaces TO portarium_tenants;
GRANT SELECT, UPDATE (told) ON migration_journal TO portarium_tenants;
-- In a database of its own the runtime role is another than where the journal was made.
GRANT SELECT, UPDATE (told) ON migration_journal TO portarium_runtime;
