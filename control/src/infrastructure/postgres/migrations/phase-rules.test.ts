import { expect, test } from 'bun:test';
import type { Migration } from './migration-files.ts';
import { phaseFindings } from './phase-rules.ts';
import { statementsIn } from './sql-statements.ts';

const EXPAND: Migration = {
  ...{ folder: 'tenant', version: 1, name: '0001_expand_first.sql', phase: 'expand' },
  ...{ description: 'a test', reversible: true, lockBudgetMs: 500, transaction: true },
  ...{ requires: undefined, sql: '', rollback: undefined, checksum: '' },
};
const CONTRACT: Migration = {
  ...EXPAND,
  ...{ version: 2, name: '0002_contract_first.sql', phase: 'contract' },
  ...{ requires: EXPAND.name, rollback: 'SELECT 1;' },
};

const rulesOf = (migration: Migration, sql: string) =>
  phaseFindings({ ...migration, sql }, [EXPAND, CONTRACT]).map(({ rule }) => rule);

/** Mistakes, and the rule that finds each. */
const MISTAKES: readonly (readonly [rule: string, sql: string])[] = [
  ['expand-drops', 'DROP TABLE actions;'],
  ['expand-drops', 'ALTER TABLE actions DROP COLUMN tier;'],
  ['expand-drops', 'ALTER TABLE actions ADD COLUMN more text, DROP tier;'],
  ['expand-drops', 'drop index actions_by_plugin;'],
  ['expand-drops', 'DROP POLICY bound_workspace ON actions;'],
  ['expand-deletes', 'DELETE FROM actions;'],
  [
    'expand-deletes',
    'WITH gone AS (DELETE FROM actions RETURNING id) INSERT INTO old SELECT id FROM gone;',
  ],
  ['expand-deletes', 'TRUNCATE actions;'],
  ['expand-renames', 'ALTER TABLE actions RENAME TO acts;'],
  ['expand-renames', 'ALTER TABLE actions\n  RENAME COLUMN tier TO level;'],
  ['expand-retypes', 'ALTER TABLE actions ALTER COLUMN tier TYPE integer USING 1;'],
  ['expand-retypes', 'ALTER TABLE actions ALTER tier SET DATA TYPE integer;'],
  ['expand-demands', 'ALTER TABLE actions ALTER COLUMN tier SET NOT NULL;'],
  ['expand-demands', 'ALTER TABLE actions ADD COLUMN more text NOT NULL;'],
  [
    'expand-demands',
    "ALTER TABLE actions ADD a text DEFAULT 'x, y' NOT NULL, ADD b text NOT NULL;",
  ],
  ['expand-revokes', 'REVOKE SELECT ON actions FROM portarium_runtime;'],
  ['every-column', 'CREATE VIEW all_of_it AS SELECT * FROM actions;'],
  ['every-column', 'DO $$ BEGIN PERFORM 1 FROM (SELECT a.* FROM actions a) x; END $$;'],
  ['every-column', 'INSERT INTO a VALUES (1) RETURNING *;'],
  ['own-transaction', 'COMMIT;'],
  ['own-transaction', 'BEGIN;'],
  ['leaves-target', 'SET ROLE portarium_runtime;'],
  ['leaves-target', 'RESET ROLE;'],
  ['leaves-target', 'SET LOCAL search_path = public;'],
  ['concurrently', 'CREATE INDEX CONCURRENTLY IF NOT EXISTS later ON actions (tier);'],
];

for (const [rule, sql] of MISTAKES) {
  test(`an Expand with “${sql.replaceAll(/\s+/g, ' ')}” is found by ${rule}`, () => {
    expect(rulesOf(EXPAND, sql)).toEqual([rule]);
  });
}

/** What looks like a mistake to whoever looks for words. */
const FINE: readonly string[] = [
  '-- DROP TABLE actions;\nALTER TABLE actions ADD COLUMN more text;',
  "COMMENT ON TABLE actions IS 'DROP TABLE actions; DELETE FROM actions';",
  '/* TRUNCATE actions; */ SELECT count(*) FROM actions;',
  "ALTER TABLE actions ADD COLUMN more text NOT NULL DEFAULT 'x';",
  'ALTER TABLE actions ADD COLUMN place bigint GENERATED ALWAYS AS IDENTITY NOT NULL;',
  'ALTER TABLE actions DROP CONSTRAINT actions_tier_check, ALTER COLUMN tier DROP NOT NULL;',
  'GRANT DELETE ON actions TO portarium_runtime;',
  'CREATE TRIGGER t BEFORE UPDATE OR DELETE ON actions FOR EACH ROW EXECUTE FUNCTION f();',
  'CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM a; RETURN NULL; END $$;',
  'CREATE TABLE b (id uuid NOT NULL, workspace_id text NOT NULL);',
  'REVOKE DELETE ON log_entries FROM CURRENT_USER;',
];

for (const sql of FINE) {
  test(`an Expand may say “${sql.replaceAll(/\s+/g, ' ')}”`, () => {
    expect(rulesOf(EXPAND, sql)).toEqual([]);
  });
}

test('what runs without a transaction may be run again', () => {
  const alone = { ...EXPAND, transaction: false };
  const index = 'CREATE INDEX CONCURRENTLY IF NOT EXISTS later ON actions (tier);';
  expect(rulesOf(alone, index)).toEqual([]);
  expect(rulesOf(alone, index.replace('IF NOT EXISTS ', ''))).toEqual(['not-repeatable']);
  expect(rulesOf(alone, `${index} ALTER TABLE actions ADD COLUMN more text;`)).toEqual([
    'not-repeatable',
  ]);
});

test('a Contract takes away, adds nothing, and ends an earlier Expand of its folder', () => {
  expect(rulesOf(CONTRACT, 'ALTER TABLE actions DROP COLUMN tier; DROP TABLE old;')).toEqual([]);
  expect(rulesOf(CONTRACT, 'ALTER TABLE actions ADD COLUMN more text;')).toEqual(['contract-adds']);
  expect(rulesOf(CONTRACT, 'CREATE TABLE more (id int);')).toEqual(['contract-adds']);
  for (const requires of ['0009_expand_none.sql', CONTRACT.name]) {
    expect(rulesOf({ ...CONTRACT, requires }, 'DROP TABLE old;')).toEqual(['requires']);
  }
  expect(rulesOf({ ...CONTRACT, version: 1 }, 'DROP TABLE old;')).toEqual(['requires']);
  expect(rulesOf({ ...CONTRACT, rollback: 'COMMIT; SELECT 1;' }, 'DROP TABLE old;')).toEqual([
    'own-transaction',
  ]);
});

test('a finding tells the line of its statement in the file', () => {
  const sql = "-- phase: expand\n\nSELECT 'a;\nb' FROM actions;\n\n-- here\nDROP TABLE old;\n";
  const [finding] = phaseFindings({ ...EXPAND, sql }, [EXPAND]);
  expect(finding).toMatchObject({ file: 'tenant/0001_expand_first.sql', line: 7 });
  expect(statementsIn(sql).map(({ line }) => line)).toEqual([3, 7]);
});
