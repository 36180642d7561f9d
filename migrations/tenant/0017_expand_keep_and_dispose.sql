-- phase: expand
-- description: lengthened retention, legal holds, and the catalogue of artifacts that disposal goes by
-- reversible: yes
-- lock-budget-ms: 500

CREATE TABLE workspace_retention (
  workspace_id text PRIMARY KEY,
  -- {class: days}; never less than before.
  days jsonb NOT NULL,
  revision bigint NOT NULL,
  changed_by uuid NOT NULL,
  changed_at timestamptz(3) NOT NULL
);

CREATE TABLE legal_holds (
  workspace_id text NOT NULL,
  id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('action', 'plugin', 'person', 'time')),
  -- An action's id, a plugin's name, a key's id or its owner.
  value text,
  from_time timestamptz(3),
  until_time timestamptz(3),
  reason text NOT NULL,
  placed_by uuid NOT NULL,
  placed_at timestamptz(3) NOT NULL,
  lifted_by uuid,
  lifted_at timestamptz(3),
  lifted_reason text,
  PRIMARY KEY (workspace_id, id),
  CHECK ((kind = 'time') = (value IS NULL)),
  CHECK ((kind = 'time') = (from_time IS NOT NULL))
);

-- Which entries name which artifacts: a function of the log, read up to `next_seq`, before it is used.
CREATE TABLE artifact_catalogue (
  workspace_id text PRIMARY KEY,
  next_seq bigint NOT NULL
);
CREATE TABLE artifact_names (
  workspace_id text NOT NULL,
  digest text NOT NULL,
  seq bigint NOT NULL,
  place integer NOT NULL,
  bytes bigint NOT NULL,
  media_type text NOT NULL,
  retention text NOT NULL,
  time timestamptz(3) NOT NULL,
  actor text NOT NULL,
  action text,
  plugin text,
  PRIMARY KEY (workspace_id, digest, seq, place)
);
-- The plugin that an action was requested of, and everybody who had a hand in it.
CREATE TABLE action_marks (
  workspace_id text NOT NULL,
  action text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('plugin', 'person')),
  value text NOT NULL,
  PRIMARY KEY (workspace_id, action, kind, value)
);
-- Artifacts that bear the store's own legal hold, and those that are to get it.
CREATE TABLE held_artifacts (
  workspace_id text NOT NULL,
  digest text NOT NULL,
  flagged boolean NOT NULL,
  PRIMARY KEY (workspace_id, digest)
);

DO $$
DECLARE tenant_table text;
BEGIN
  FOREACH tenant_table IN ARRAY ARRAY['workspace_retention', 'legal_holds', 'artifact_catalogue', 'artifact_names',
    'action_marks', 'held_artifacts'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('CREATE POLICY bound_workspace ON %I USING (workspace_id = nullif(current_setting(''portarium.workspace'', true), '''')) WITH CHECK (workspace_id = nullif(current_setting(''portarium.workspace'', true), ''''))', tenant_table);
    EXECUTE format('GRANT SELECT ON %I TO portarium_runtime, portarium_destroy', tenant_table);
  END LOOP;
END $$;

CREATE VIEW artifacts_on_hold WITH (security_invoker = true) AS
  SELECT n.workspace_id, n.digest, h.id AS hold_id
  FROM legal_holds h
  JOIN artifact_names n ON n.workspace_id = h.workspace_id AND CASE h.kind
    WHEN 'action' THEN n.action = h.value
    WHEN 'plugin' THEN n.plugin = h.value OR EXISTS (
      SELECT FROM action_marks m
      WHERE m.workspace_id = n.workspace_id AND m.action = n.action AND m.kind = 'plugin' AND m.value = h.value)
    WHEN 'person' THEN EXISTS (
      SELECT FROM (
        SELECT h.value AS id
        UNION ALL SELECT 'key_' || replace(k.id::text, '-', '') FROM portarium.api_keys k WHERE k.owner = h.value
      ) p
      WHERE p.id = n.actor OR EXISTS (
        SELECT FROM action_marks m
        WHERE m.workspace_id = n.workspace_id AND m.action = n.action AND m.kind = 'person' AND m.value = p.id))
    WHEN 'time' THEN n.time >= h.from_time AND (h.until_time IS NULL OR n.time < h.until_time)
  END
  WHERE h.lifted_at IS NULL;

GRANT INSERT, UPDATE ON workspace_retention TO portarium_runtime;
GRANT INSERT ON legal_holds TO portarium_runtime;
GRANT UPDATE (lifted_by, lifted_at, lifted_reason) ON legal_holds TO portarium_runtime;

-- Whoever disposes reads the log and appends to it, keeps the catalogue, and changes nothing else.
GRANT SELECT ON artifacts_on_hold TO portarium_destroy;
GRANT INSERT, UPDATE ON artifact_catalogue TO portarium_destroy;
GRANT INSERT, DELETE ON artifact_names TO portarium_destroy;
GRANT INSERT ON action_marks TO portarium_destroy;
GRANT INSERT, UPDATE, DELETE ON held_artifacts TO portarium_destroy;
GRANT SELECT, INSERT ON log_entries TO portarium_destroy;
GRANT SELECT, INSERT, UPDATE ON log_heads TO portarium_destroy;
GRANT SELECT ON log_freezes, actions, plugins TO portarium_destroy;
GRANT SELECT (id, workspace_id, owner, expires_at, revoked_at) ON portarium.api_keys TO portarium_destroy;
GRANT INSERT ON portarium.outbox TO portarium_destroy;

-- An order is what excuses a missing artifact: nobody else gives one. Recovery puts entries back as they were.
CREATE FUNCTION refuse_disposal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_user <> 'portarium_destroy' AND current_setting('portarium.restoring', true) IS DISTINCT FROM 'on' THEN
    RAISE EXCEPTION 'only portarium_destroy writes %', NEW.type USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER log_entries_disposal BEFORE INSERT ON log_entries
  FOR EACH ROW WHEN (NEW.type IN ('disposal.ordered', 'disposal.finished')) EXECUTE FUNCTION refuse_disposal();
ALTER TABLE log_entries ENABLE ALWAYS TRIGGER log_entries_disposal;

CREATE INDEX log_entries_disposals ON log_entries (workspace_id, seq)
  WHERE type IN ('disposal.ordered', 'disposal.finished');
