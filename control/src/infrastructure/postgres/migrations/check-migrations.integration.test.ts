import { beforeAll, expect, test } from 'bun:test';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freshDatabase } from '@portarium/local/testing/shared-services';
import { installSquawk } from '../../../../../scripts/tools/install-squawk.ts';
import { MIGRATIONS } from '../../../compose.ts';
import { connect } from '../connect.ts';
import { type CheckResult, checkMigrations } from './check-migrations.ts';
import { prepare } from './prepare.ts';

let ownerUrl: string;
let squawk: string;
beforeAll(async () => {
  const database = await freshDatabase();
  ownerUrl = database.ownerUrl;
  await prepare(ownerUrl, database.url);
  squawk = installSquawk();
}, 300_000);

const header = (phase: string, more = '') =>
  `-- phase: ${phase}\n-- description: a test\n-- reversible: yes\n-- lock-budget-ms: 500\n${more}\n`;

/** The files of the product with others behind them; names are given without their number. */
async function checked(
  more: readonly {
    readonly folder?: 'global' | 'tenant';
    readonly name: string;
    readonly text: string;
  }[],
): Promise<CheckResult['findings']> {
  const folder = await mkdtemp(join(tmpdir(), 'portarium-migrations-'));
  try {
    await cp(MIGRATIONS, folder, { recursive: true });
    for (const { folder: part = 'tenant', name, text } of more) {
      await writeFile(join(folder, part, await numbered(folder, part, name)), text);
    }
    const { findings } = await checkMigrations({ ownerUrl, folder, squawk });
    return findings;
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function numbered(folder: string, part: string, name: string): Promise<string> {
  if (/^\d/.test(name)) return name;
  const next = (await readdir(join(folder, part))).length + 1;
  return `${String(next).padStart(4, '0')}_${name}`;
}

const rulesOf = (findings: CheckResult['findings']) =>
  findings.map(({ file, rule }) => `${file.replace(/\/\d{4}_/, '/')} ${rule}`);

test('the files of the product pass, and leave no database behind', async () => {
  const { files, findings } = await checkMigrations({ ownerUrl, folder: MIGRATIONS, squawk });
  expect(findings).toEqual([]);
  const names = await Promise.all(
    ['global', 'tenant'].map((part) => readdir(join(MIGRATIONS, part))),
  );
  expect(files).toBe(names.flat().length);
  const owner = connect(ownerUrl, { max: 1, name: 'test' });
  expect(
    (await owner`SELECT datname FROM pg_database WHERE datname LIKE 'portarium_scratch_%'`).length,
  ).toBe(0);
  await owner.end();
});

const SECURED = (name: string) =>
  `ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY; ALTER TABLE ${name} FORCE ROW LEVEL SECURITY;
   CREATE POLICY bound_workspace ON ${name} USING (workspace_id = nullif(current_setting('portarium.workspace', true), ''));`;
const TABLE =
  'CREATE TABLE extra (workspace_id text NOT NULL, id uuid NOT NULL, PRIMARY KEY (workspace_id, id));';

/** What is wrong, in one file behind the product’s, and everything that is found then. */
const MISTAKES: readonly (readonly [what: string, text: string, found: readonly string[]])[] = [
  ['nothing', `${header('expand')}${TABLE}${SECURED('extra')}`, []],
  [
    ...(['a table that workspaces share', `${header('expand')}${TABLE}`] as const),
    ['tenant/expand_extra.sql row-security'],
  ],
  [
    'row security that its owner passes by',
    `${header('expand')}${TABLE}${SECURED('extra')} ALTER TABLE extra NO FORCE ROW LEVEL SECURITY;`,
    ['tenant/expand_extra.sql row-security'],
  ],
  [
    'a policy that an older table loses',
    `${header('expand')}DO $$ BEGIN DROP POLICY bound_workspace ON policies; END $$;`,
    ['tenant/expand_extra.sql row-security'],
  ],
  [
    'a table of no workspace',
    `${header('expand')}${TABLE.replaceAll('workspace_id', 'somebody')}`,
    ['tenant/expand_extra.sql workspace-id', 'tenant/expand_extra.sql row-security'],
  ],
  [
    'a column that goes in a block of code',
    `${header('expand')}DO $$ BEGIN ALTER TABLE actions DROP COLUMN dry_run; END $$;`,
    ['tenant/expand_extra.sql expand-takes-away'],
  ],
  [
    'a global table without its schema',
    `${header('expand')}ALTER TABLE outbox ADD COLUMN more text;`,
    ['tenant/expand_extra.sql round-trip'],
  ],
  [
    'a word that PostgreSQL does not know',
    `${header('expand')}ALTER TABLE actions ADD COLUMN more nothing_like_this;`,
    ['tenant/expand_extra.sql round-trip'],
  ],
  [
    'an index that blocks who writes',
    `${header('expand')}CREATE INDEX actions_late ON actions (workspace_id, state);`,
    ['tenant/expand_extra.sql require-concurrent-index-creation'],
  ],
  [
    'an index beside who writes',
    `${header('expand', '-- no-transaction\n')}CREATE INDEX CONCURRENTLY IF NOT EXISTS actions_late ON actions (workspace_id, state);`,
    [],
  ],
  [
    'a constraint that scans a table under its lock',
    `${header('expand')}ALTER TABLE actions ADD CONSTRAINT actions_named CHECK (plugin <> '');`,
    ['tenant/expand_extra.sql constraint-missing-not-valid'],
  ],
];

for (const [what, text, found] of MISTAKES) {
  test(`a file with ${what} has ${found.length} findings`, async () => {
    const findings = await checked([{ name: 'expand_extra.sql', text }]);
    expect(rulesOf(findings), JSON.stringify(findings, null, 1)).toEqual([...found]);
  });
}

test('names, gaps and headers are found in both folders at once', async () => {
  const findings = await checked([
    { folder: 'global', name: '0099_expand_late.sql', text: header('expand') },
    { name: 'expand_extra.sql', text: header('contract') },
  ]);
  expect(findings.map(({ rule, message }) => [rule, message])).toEqual([
    ['file', expect.stringContaining('versions have no gaps') as never],
    ['file', expect.stringContaining('its header needs "-- phase: expand"') as never],
  ]);
});

const PAIR = [
  { name: 'expand_extra.sql', text: `${header('expand')}${TABLE}${SECURED('extra')}` },
] as const;

/** The number of the Expand of {@link PAIR} is only known here. */
async function contract(sql: string, rollback: string) {
  const next = (await readdir(join(MIGRATIONS, 'tenant'))).length + 1;
  const requires = `-- requires: ${String(next).padStart(4, '0')}_expand_extra.sql\n`;
  const text = `${header('contract', requires)}${sql}\n-- rollback\n${rollback}`;
  return checked([...PAIR, { name: 'contract_extra.sql', text }]);
}

test('a Contract that comes back as it was passes the round trip', async () => {
  const drop = 'ALTER TABLE policies DROP COLUMN active;';
  const index = 'CREATE UNIQUE INDEX policies_one_active ON policies (workspace_id) WHERE active;';
  // First an index is missing, then what the column demands, then who may change it.
  const [first] = await contract(drop, 'ALTER TABLE policies ADD COLUMN active boolean;');
  expect(first?.message).toContain('its rollback does not put back what it took away');
  expect(first?.message).toContain('policies_one_active');
  const back = `ALTER TABLE policies ADD COLUMN active boolean; ${index}`;
  const [second] = await contract(drop, back);
  expect(second?.message).toContain('- column policies.active boolean not null');
  const whole = back.replace('boolean', 'boolean NOT NULL DEFAULT false');
  const unset = `${whole} ALTER TABLE policies ALTER COLUMN active DROP DEFAULT;`;
  const [third] = await contract(drop, unset);
  expect(third?.message).toContain('- column grant policies.active portarium_runtime');
  const set = `${unset} GRANT UPDATE (active) ON policies TO portarium_runtime;`;
  expect(await contract(drop, set)).toEqual([]);
});

test('a check without squawk says so, and does not pass', async () => {
  const { findings } = await checkMigrations({ ownerUrl, folder: MIGRATIONS, squawk: undefined });
  expect(findings).toMatchObject([{ rule: 'squawk' }]);
});

test('each rule of squawk that does not apply has its reason beside it', async () => {
  const lines = (await readFile(join(MIGRATIONS, 'squawk.toml'), 'utf8')).split('\n');
  const reasons = lines.map((line, at) => {
    if (!/^ {2}"/.test(line)) return true;
    return /^ {2}(#|")/.test(lines[at - 1] ?? '');
  });
  expect(reasons).not.toContain(false);
});
