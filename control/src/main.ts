/** The Control Plane as a process: `api`, `worker` and `relay`, `all` of them, or one step of work. */
import { existsSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import {
  configure,
  getAnsiColorFormatter,
  getConsoleSink,
  jsonLinesFormatter,
} from '@logtape/logtape';
import * as v from 'valibot';
import { bootstrap } from './application/bootstrap.ts';
import { batteryOf, withMeaning } from './application/probe-store.ts';
import { compose } from './compose.ts';
import {
  type Configuration,
  evidenceStoreOf,
  readConfiguration,
  readStoreConfiguration,
  readVaultConfiguration,
} from './configuration.ts';
import { openStoreProbe } from './infrastructure/objects/open-store.ts';
import { readMasterKeys } from './infrastructure/vault/master-keys.ts';
import { openSealedVault } from './infrastructure/vault/sealed-vault.ts';
import { runMigrateStep } from './migrate-step.ts';
import { ROLES, type Role, serve } from './serve.ts';
import { runWorkspaceStep, WORKSPACE_STEPS } from './workspace-steps.ts';

const USAGE =
  'usage: main.ts all | api | worker | relay | migrate | provision | workspace-backup | workspace-restore | bootstrap | rewrap | probe';

async function main(role: string | undefined): Promise<void> {
  await configure({
    sinks: {
      console: getConsoleSink({
        formatter: process.stderr.isTTY ? getAnsiColorFormatter() : jsonLinesFormatter,
      }),
    },
    loggers: [
      { category: ['portarium'], sinks: ['console'], lowestLevel: 'info' },
      { category: ['logtape', 'meta'], sinks: ['console'], lowestLevel: 'warning' },
    ],
  });
  if (role === 'rewrap') return runRewrap();
  if (role === 'probe') return runProbe();
  if (role === 'migrate') return runMigrateStep(process.argv.slice(3), process.env);
  const step = WORKSPACE_STEPS[role ?? ''];
  if (step) return runWorkspaceStep(step, process.argv.slice(3), process.env);
  const configuration = readConfiguration(process.env);
  if (role === 'bootstrap') await runBootstrap(configuration);
  else if (role === 'all') await runRoles(configuration, ROLES);
  else if (v.is(v.picklist(ROLES), role)) await runRoles(configuration, [role]);
  else throw new Error(USAGE);
}

/** Writes the first keys, unless the file is there already: then the instance has been bootstrapped. */
async function runBootstrap(configuration: Configuration): Promise<void> {
  const file = configuration.PORTARIUM_BOOTSTRAP_FILE;
  if (file === undefined)
    throw new Error('PORTARIUM_BOOTSTRAP_FILE is missing; it says where the first keys go');
  if (existsSync(file)) return;
  const composed = await compose(configuration);
  try {
    const result = await bootstrap(composed.context);
    await writeFile(`${file}.part`, `${JSON.stringify(result, null, 2)}\n`, { mode: 0o600 });
    await rename(`${file}.part`, file);
  } finally {
    await composed.close();
  }
}

/** Seals every entry under the newest master key; the next start of the Control Plane makes it evidence. */
async function runRewrap(): Promise<void> {
  const configuration = readVaultConfiguration(process.env);
  const { PORTARIUM_MASTER_KEY: text, PORTARIUM_MASTER_KEY_FILE: file } = configuration;
  const vault = await openSealedVault(
    configuration.PORTARIUM_VAULT_DIR,
    await readMasterKeys(text, file),
  );
  console.log(JSON.stringify({ ok: true, ...vault.rewrap }));
}

/** Runs the lock battery against the store that is configured, and records nothing: no database is needed. */
async function runProbe(): Promise<void> {
  const store = evidenceStoreOf(readStoreConfiguration(process.env));
  const checks = await batteryOf({ openProbe: () => openStoreProbe(store) });
  const endpoint = store.kind === 'minio' ? { endpoint: store.endpoint } : {};
  console.log(
    JSON.stringify({ adapter: store.kind, ...endpoint, checks: checks.map(withMeaning) }),
  );
}

async function runRoles(configuration: Configuration, roles: readonly Role[]): Promise<void> {
  const running = await serve(configuration, new Set(roles));
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  await running.stop();
}

main(process.argv[2]).then(
  // What a step set as its exit code.
  () => process.exit(),
  (error) => {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(1);
  },
);
