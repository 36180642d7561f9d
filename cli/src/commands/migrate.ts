/**
 * `portarium migrate`: the schema of the database, for who owns it. Side effects: those of the files under `migrations/`;
 * `contract` takes tables or columns away.
 */
import { runOwnerStep } from '@portarium/local/owner-step';
import { type Command, Option } from 'commander';
import { type DataOption, dataDirOf, dataOption, usableEnvironment } from '../data-option.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { print, printJson, table, tell } from '../output.ts';
import { wholeNumber } from '../whole-number.ts';

interface MigrateOptions extends DataOption {
  readonly json?: true;
  readonly target?: string;
  readonly parallel?: number;
  readonly maxFailures?: number;
  readonly canary?: string;
  readonly allowContract?: true;
  readonly files?: string;
}

interface TargetStatus {
  readonly target: string;
  readonly version: number;
  readonly pending: readonly string[];
  readonly contracts: readonly string[];
  readonly failed: readonly string[];
  readonly problem?: string;
}

interface Result {
  readonly ok: boolean;
  readonly applied?: readonly string[];
  readonly failed?: readonly { readonly target: string; readonly error: string }[];
  readonly left?: readonly string[];
  readonly targets?: readonly TargetStatus[];
  readonly leases?: readonly {
    readonly role: string;
    readonly version: string;
    readonly globalVersion: number;
    readonly tenantVersion: number;
    readonly startedAt: string;
  }[];
  readonly done?: readonly { readonly target: string; readonly name: string }[];
  readonly runs?: readonly {
    readonly target: string;
    readonly name: string;
    readonly ms: number;
    readonly locks: readonly { readonly relation: string; readonly mode: string }[];
    readonly skipped?: true;
  }[];
}

export function registerMigrate(program: Command): void {
  const migrate = program
    .command('migrate')
    .description('look after the schema of the database, as its owner');
  for (const [name, description, show] of COMMANDS) {
    const command = migrate
      .command(name)
      .description(description)
      .addOption(dataOption())
      .option(
        '--target <target>',
        'global, tenant (shared tables), a workspace of tier B or C, or all (default)',
      )
      .addOption(new Option('--files <dir>', 'other files than those of this release').hideHelp())
      .option('--json', 'print one line of JSON');
    if (name === 'apply') {
      command
        .option('--parallel <targets>', 'workspaces at once (default: 4)', wholeNumber(1, 64))
        .option(
          '--max-failures <targets>',
          'failed targets after which no other is begun (default: 1)',
          wholeNumber(1, 1_000_000),
        )
        .option('--canary <workspace>', 'the first one, alone (default: the oldest)');
    }
    if (name === 'contract') {
      command.option('--allow-contract', 'say that tables or columns may be taken away');
    }
    command.action(async (options: MigrateOptions) => {
      const result = (await runOwnerStep(['migrate', name, ...argumentsOf(options)], {
        dataDir: dataDirOf(options),
        environment: usableEnvironment(),
        onLine: tell,
      })) as unknown as Result;
      if (options.json) printJson(result);
      else print(show(result));
      if (!result.ok) process.exitCode = EXIT_CODES.failed;
    });
  }
}

function argumentsOf(options: MigrateOptions): string[] {
  const { target, parallel, maxFailures, canary, allowContract, files } = options;
  return [
    ...(target === undefined ? [] : ['--target', target]),
    ...(parallel === undefined ? [] : ['--parallel', String(parallel)]),
    ...(maxFailures === undefined ? [] : ['--max-failures', String(maxFailures)]),
    ...(canary === undefined ? [] : ['--canary', canary]),
    ...(allowContract ? ['--allow-contract'] : []),
    ...(files === undefined ? [] : ['--files', files]),
  ];
}

const COMMANDS: readonly (readonly [string, string, (result: Result) => string])[] = [
  [
    'status',
    'what is applied, pending and failed, and which processes run on which schema',
    status,
  ],
  ['plan', 'the files that apply would run, by target', plan],
  ['apply', 'run every pending Expand: global, shared, a canary, then the others at once', applied],
  ['contract', 'take away what no running release needs; rehearsed first', done],
  ['rollback', 'put back what the newest Contract of each target took away', done],
  [
    'dry-run',
    'run what is pending for real, say which locks it took, and take it back; the locks are real for as long',
    dryRun,
  ],
];

const names = (of: readonly string[]) => (of.length === 0 ? '-' : of.join(', '));

function status({ targets = [], leases = [] }: Result): string {
  const rows = targets.map((one) => [
    one.target,
    String(one.version),
    one.problem ?? (one.pending.length === 0 ? 'up to date' : `${one.pending.length} pending`),
    names(one.contracts),
    names(one.failed),
  ]);
  const processes = leases.map((one) => [
    one.role,
    one.version,
    `${one.globalVersion}, ${one.tenantVersion}`,
    one.startedAt,
  ]);
  return [
    table([['TARGET', 'VERSION', 'STATE', 'CONTRACTS', 'FAILED'], ...rows]),
    ...(processes.length === 0
      ? ['', 'No process runs.']
      : ['', table([['PROCESS', 'RELEASE', 'MADE FOR', 'SINCE'], ...processes])]),
  ].join('\n');
}

function plan({ targets = [] }: Result): string {
  const wanted = targets.filter(({ pending, problem }) => pending.length > 0 || problem);
  if (wanted.length === 0) return 'Nothing is pending.';
  return table([
    ['TARGET', 'WOULD APPLY'],
    ...wanted.map((one) => [one.target, one.problem ?? names(one.pending)]),
  ]);
}

function applied({ applied: own = [], failed = [], left = [] }: Result): string {
  return [
    own.length === 0 ? 'Nothing was pending.' : `${own.length} applied.`,
    ...failed.map(({ target, error }) => `${target} failed: ${error}`),
    ...(left.length === 0
      ? []
      : [`${left.length} targets are left; mend what failed and run apply again.`]),
  ].join('\n');
}

function done({ done: own = [] }: Result): string {
  if (own.length === 0) return 'There is nothing to do.';
  return table([['TARGET', 'FILE'], ...own.map(({ target, name }) => [target, name])]);
}

function dryRun({ runs = [] }: Result): string {
  if (runs.length === 0) return 'Nothing is pending.';
  return table([
    ['TARGET', 'FILE', 'MS', 'LOCKS'],
    ...runs.map(({ target, name, ms, locks, skipped }) => [
      target,
      name,
      skipped ? '-' : ms.toFixed(1),
      skipped ? 'left out: it runs without a transaction' : names(locks.map(lockText)),
    ]),
  ]);
}

const lockText = ({ relation, mode }: { relation: string; mode: string }) => `${relation} ${mode}`;
