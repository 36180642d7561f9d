/** What keeps the log a log: its order, its chain, and the refusal of every change. */
import type { Defence } from './defence.ts';

const STORE = 'control/src/infrastructure/postgres/workspace-store.ts';
const APPEND = 'control/src/infrastructure/postgres/append-entries.ts';
const STORE_TESTS = 'control/src/infrastructure/postgres/workspace-store.integration.test.ts';
const ONLY_TESTS = 'control/src/infrastructure/postgres/append-only.integration.test.ts';
const FIRST = 'migrations/tenant/0001_expand_actions_and_evidence.sql';
const SECOND = 'migrations/tenant/0014_expand_append_only.sql';

export const EVIDENCE_DEFENCES: readonly Defence[] = [
  {
    name: 'the trigger that refuses to change or delete an entry',
    file: FIRST,
    source: 'BEFORE UPDATE OR DELETE ON log_entries',
    without: 'BEFORE UPDATE OF seq ON log_entries',
    tests: ONLY_TESTS,
    watching: 'refuses every change to the superuser',
  },
  {
    name: 'the trigger that refuses to truncate the log',
    file: FIRST,
    source: `CREATE TRIGGER log_entries_no_truncate BEFORE TRUNCATE ON log_entries
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_log_change();`,
    without: `CREATE TRIGGER log_entries_no_truncate BEFORE UPDATE OF seq ON log_entries
  FOR EACH ROW EXECUTE FUNCTION refuse_log_change();`,
    tests: ONLY_TESTS,
    watching: 'refuses every change to the superuser',
  },
  {
    name: 'the triggers of sessions that replicate',
    file: SECOND,
    source: 'ENABLE ALWAYS TRIGGER log_entries_append_only',
    without: 'ENABLE TRIGGER log_entries_append_only',
    tests: ONLY_TESTS,
    watching: 'refuses every change to the superuser as a replica',
  },
  {
    name: 'the revoked privileges of the owner',
    file: SECOND,
    source: 'REVOKE UPDATE, DELETE, TRUNCATE ON log_entries FROM CURRENT_USER;',
    without: '',
    tests: ONLY_TESTS,
    watching: 'lack the privileges as well',
  },
  {
    name: 'the head that only goes on',
    file: SECOND,
    source: 'NEW.size >= OLD.size',
    without: 'NEW.size >= 0',
    tests: ONLY_TESTS,
    watching: 'refuses every change to the superuser',
  },
  {
    name: 'the lock of the head',
    file: APPEND,
    source: ' FOR UPDATE) head`',
    without: ' OFFSET 0) head`',
    tests: STORE_TESTS,
    watching: 'concurrent writers and failing units',
  },
  {
    name: 'time that never goes back',
    file: APPEND,
    source: 'Math.max(now.getTime(), before.getTime())',
    without: 'Math.max(now.getTime())',
    also: { file: SECOND, source: 'AND NEW.time >= OLD.time', without: '' },
    tests: 'control/src/infrastructure/postgres/clock-steps.integration.test.ts',
    watching: 'time in the log never does',
  },
  {
    name: 'the clock that is read behind the lock',
    file: APPEND,
    source: `SELECT size, hash, time, date_trunc('milliseconds', clock_timestamp()) AS now
        FROM (SELECT size, hash, time FROM log_heads`,
    without: `SELECT size, hash, time, now
        FROM (SELECT size, hash, time, date_trunc('milliseconds', clock_timestamp()) AS now FROM log_heads`,
    tests: 'control/src/infrastructure/postgres/clock-steps.integration.test.ts',
    watching: 'judged by the clock as it is once the head is locked',
  },
  {
    name: 'the savepoint of a unit',
    file: STORE,
    source: "ahead(tx.unsafe('ROLLBACK TO unit'));",
    without: '',
    tests: STORE_TESTS,
    watching: 'a unit that fails beside others leaves no row',
  },
  {
    name: 'the answer that waits for the commit',
    file: STORE,
    source: 'ran.push({ waiting: next, value });',
    without: 'ran.push({ waiting: next, value }); if (shared) next.resolve(value);',
    tests: STORE_TESTS,
    watching: 'while a transaction waits to append',
  },
  {
    name: 'the end of a unit’s statements',
    file: STORE,
    source: 'if (!open || batch.over) throw',
    without: 'if (batch.taken.length < 0) throw',
    tests: STORE_TESTS,
    watching: 'a statement that comes after the end of its unit',
  },
  {
    name: 'the refusal to run a lost batch again',
    file: STORE,
    source: 'const away = reason instanceof InfraError && reason !== error;',
    without: 'const away = reason instanceof InfraError && reason !== error && taken.length === 1;',
    tests: STORE_TESTS,
    watching: 'a batch whose connection is lost',
  },
  {
    name: 'the turn of its own of each unit that a frozen log refused',
    file: STORE,
    source: 'const away = reason instanceof InfraError && reason !== error;',
    without: 'const away = reason !== error;',
    tests: 'control/src/application/seal-log.integration.test.ts',
    watching: 'a frozen log fails what it refuses, and nothing that shares a transaction',
  },
  {
    name: 'the schema that the freeze is looked up in',
    file: SECOND,
    source: 'ALTER FUNCTION refuse_frozen_log() SET search_path = portarium, pg_temp;',
    without: '',
    tests: 'control/src/application/seal-log.integration.test.ts',
    watching: 'a frozen log refuses entries to every role and statement',
  },
  {
    name: 'the comparison before migrations are told',
    file: 'control/src/compose.ts',
    source: '  await tellMigrations(context);',
    without: '  await tellMigrations({ store: sealerStore });',
    tests: 'control/src/application/seal-log.integration.test.ts',
    watching: 'a migration of a restored database is told once',
  },
];
