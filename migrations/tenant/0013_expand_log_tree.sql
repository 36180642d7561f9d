-- phase: expand
-- description: nodes of the log's tree above its leaves, what the sealer has done, and frozen logs
-- reversible: yes
-- lock-budget-ms: 500

-- Roots of full tiles: hash `index` of `level` covers the 256^level leaves from index * 256^level on.
-- They can be made again from log_entries; with them a proof reads O(log n) rows.
CREATE TABLE log_nodes (
  workspace_id text NOT NULL,
  level smallint NOT NULL CHECK (level BETWEEN 1 AND 6),
  index bigint NOT NULL CHECK (index >= 0),
  hash bytea NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (workspace_id, level, index)
);

-- Entries whose full tiles are in log_nodes and in the evidence store; a multiple of 256.
ALTER TABLE log_checkpoints ADD COLUMN tiled bigint NOT NULL DEFAULT 0;
-- Of the newest checkpoint in the evidence store.
ALTER TABLE log_checkpoints ADD COLUMN stored_size bigint NOT NULL DEFAULT 0;
ALTER TABLE log_checkpoints ADD COLUMN stored_at timestamptz(3);

-- A log that contradicts its checkpoint in the evidence store takes no entry until an administrator has
-- looked at it.
CREATE TABLE log_freezes (
  workspace_id text PRIMARY KEY,
  reason text NOT NULL,
  detail text NOT NULL,
  size bigint NOT NULL,
  stored_size bigint NOT NULL,
  frozen_at timestamptz(3) NOT NULL
);

CREATE FUNCTION refuse_frozen_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM log_freezes WHERE workspace_id = current_setting('portarium.workspace', true)) THEN
    RAISE EXCEPTION 'the evidence log of % contradicts its stored checkpoint', current_setting('portarium.workspace', true)
      USING ERRCODE = 'PE001';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER log_entries_not_frozen BEFORE INSERT ON log_entries
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_frozen_log();

CREATE TRIGGER log_nodes_append_only BEFORE UPDATE OR DELETE ON log_nodes
  FOR EACH ROW EXECUTE FUNCTION refuse_log_change();
CREATE TRIGGER log_nodes_no_truncate BEFORE TRUNCATE ON log_nodes
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_log_change();

DO $$
DECLARE tenant_table text;
BEGIN
  FOREACH tenant_table IN ARRAY ARRAY['log_nodes', 'log_freezes'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('CREATE POLICY bound_workspace ON %I USING (workspace_id = nullif(current_setting(''portarium.workspace'', true), '''')) WITH CHECK (workspace_id = nullif(current_setting(''portarium.workspace'', true), ''''))', tenant_table);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO portarium_runtime', tenant_table);
  END LOOP;
END $$;
GRANT DELETE ON log_freezes TO portarium_runtime;

-- Few, and looked for whenever a bundle is exported.
CREATE INDEX log_entries_key_rotations ON log_entries (workspace_id, seq) WHERE type = 'log-key.rotated';
