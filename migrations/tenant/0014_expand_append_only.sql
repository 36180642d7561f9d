-- phase: expand
-- description: the evidence log refuses changes also to its owner, and its head never goes back
-- reversible: yes
-- lock-budget-ms: 500

-- An ordinary trigger is silent in a session that says it replicates, which a superuser may say.
ALTER TABLE log_entries ENABLE ALWAYS TRIGGER log_entries_append_only;
ALTER TABLE log_entries ENABLE ALWAYS TRIGGER log_entries_no_truncate;
ALTER TABLE log_entries ENABLE ALWAYS TRIGGER log_entries_not_frozen;
REVOKE UPDATE, DELETE, TRUNCATE ON log_entries FROM CURRENT_USER;
-- Without it a session's own table of that name would say that nothing is frozen.
ALTER FUNCTION refuse_frozen_log() SET search_path = portarium, pg_temp;

-- An entry that was appended stays below the size: a head that went back would let it be told anew.
CREATE FUNCTION refuse_head_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.workspace_id = OLD.workspace_id AND NEW.size >= OLD.size AND NEW.time >= OLD.time THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'the head of an evidence log only goes on: % on % is refused', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER log_heads_go_on BEFORE UPDATE OR DELETE ON log_heads
  FOR EACH ROW EXECUTE FUNCTION refuse_head_change();
CREATE TRIGGER log_heads_no_truncate BEFORE TRUNCATE ON log_heads
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_head_change();
ALTER TABLE log_heads ENABLE ALWAYS TRIGGER log_heads_go_on;
ALTER TABLE log_heads ENABLE ALWAYS TRIGGER log_heads_no_truncate;
REVOKE DELETE, TRUNCATE ON log_heads FROM CURRENT_USER;
