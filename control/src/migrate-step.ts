/**
 * `main.ts migrate [COMMAND] [OPTIONS]`: what the owner of the database does about its schema. Progress on standard
 * error, at most once a second; one line of JSON on standard output, `{"ok":false,"error"}` when it failed.
 */
import { parseArgs } from 'node:util';
import { MIGRATIONS, VERSION } from './compose.ts';
import { type Environment, readDatabaseConfiguration } from './configuration.ts';
import { contract, rollback } from './infrastructure/postgres/migrations/contract.ts';
import { dryRunMigrations } from './infrastructure/postgres/migrations/dry-run.ts';
import {
  migrateTargets,
  type Outcome,
  type Progress,
} from './infrastructure/postgres/migrations/migrate-targets.ts';
import { migrationStatus } from './infrastructure/postgres/migrations/migration-status.ts';
import { prepare } from './infrastructure/postgres/migrations/prepare.ts';

import { printResult, type StepResult } from './step-result.ts';

const TELL_EVERY_MS = 1_000;

const OPTIONS = {
  target: { type: 'string' },
  parallel: { type: 'string' },
  'max-failures': { type: 'string' },
  canary: { type: 'string' },
  'allow-contract': { type: 'boolean' },
  /** Of the files; those of this release when left out. */
  files: { type: 'string' },
} as const;

export async function runMigrateStep(
  args: readonly string[],
  environment: Environment,
): Promise<void> {
  await printResult(() => run(args, environment));
}

async function run(args: readonly string[], environment: Environment): Promise<StepResult> {
  const { values, positionals } = parseArgs({
    ...{ args: [...args], options: OPTIONS, allowPositionals: true },
  });
  const { PORTARIUM_DATABASE_URL: runtimeUrl, PORTARIUM_DATABASE_OWNER_URL: ownerUrl } =
    readDatabaseConfiguration(environment);
  const { target, canary, files: folder = MIGRATIONS } = values;
  const common = { ownerUrl, folder, ...(target === undefined ? {} : { target }) };
  const [command = 'apply'] = positionals;
  switch (command) {
    case 'apply': {
      await prepare(ownerUrl, runtimeUrl);
      const outcome = await migrateTargets({
        ...{ ...common, toolVersion: VERSION, onProgress: atMostOnceASecond() },
        ...(canary === undefined ? {} : { canary }),
        ...numberOf('parallel', values.parallel),
        ...numberOf('maxFailures', values['max-failures']),
      });
      return reportOf(outcome);
    }
    case 'status':
    case 'plan': {
      const status = await migrationStatus(common);
      return { ok: status.targets.every(({ problem }) => problem === undefined), ...status };
    }
    case 'contract':
      return {
        ok: true,
        ...{
          done: await contract({
            ...{ ...common, toolVersion: VERSION },
            allowContract: values['allow-contract'] === true,
            onDone: (of, { name }) => console.error(`applied ${of}/${name}`),
          }),
        },
      };
    case 'rollback': {
      const onDone = (of: string, { name }: { name: string }) =>
        console.error(`took back ${of}/${name}`);
      return { ok: true, ...{ done: await rollback({ ...common, onDone }) } };
    }
    case 'dry-run':
      return { ok: true, ...{ runs: await dryRunMigrations(common) } };
    default:
      throw new Error(
        `migrate has no command ${command}: status, plan, apply, contract, rollback, dry-run`,
      );
  }
}

function numberOf<K extends string>(key: K, text: string | undefined): Partial<Record<K, number>> {
  if (text === undefined) return {};
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1) return { [key]: number } as Record<K, number>;
  throw new Error(`${key}: expected a whole number from 1, not ${text}`);
}

function reportOf({ applied, failed, left }: Outcome) {
  return {
    ok: failed.length === 0,
    applied: applied.map(({ target, migration }) => `${target}/${migration.name}`),
    ...{ failed, left },
  };
}

/** The shared targets, whatever fails, and now and then how far it is. */
function atMostOnceASecond(): (progress: Progress) => void {
  let told = 0;
  return ({ done, total, failed, target, applied, error }) => {
    for (const { migration, ms } of target.startsWith('workspace/') ? [] : applied) {
      console.error(`applied ${target}/${migration.name} in ${ms.toFixed(0)} ms`);
    }
    if (error !== undefined) console.error(error);
    if (done !== total && performance.now() - told < TELL_EVERY_MS) return;
    told = performance.now();
    console.error(`${done} of ${total} targets, ${failed} failed`);
  };
}
