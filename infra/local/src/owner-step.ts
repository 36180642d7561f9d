/**
 * Runs a step of the Control Plane that needs the owner of the database, beside a stack that runs: on the data folder's
 * own PostgreSQL, or on the one that PORTARIUM_DATABASE_OWNER_URL names.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import * as v from 'valibot';
import { dataFolderAt } from './data-folder.ts';
import { inheritedVariables, type LocalEnvironment } from './environment.ts';
import { LocalStackError } from './local-stack-error.ts';
import { planeCommand } from './parts/plane-command.ts';
import { CONTROL_MAIN } from './parts/planes.ts';
import {
  POSTGRES_DATABASE,
  POSTGRES_OWNER,
  POSTGRES_RUNTIME,
  postgresUrl,
} from './parts/postgres.ts';
import { REPOSITORY_ROOT } from './repository.ts';
import { readStatus } from './running-stack.ts';
import { checkSecrets } from './secrets.ts';

export interface OwnerStepOptions {
  readonly dataDir: string;
  readonly environment: LocalEnvironment;
  /** Told each line of progress. */
  readonly onLine: (line: string) => void;
}

/**
 * @param args of the Control Plane's program, such as `migrate`, `status`
 * @returns the line that it prints, as JSON
 * @throws LocalStackError with what it said last
 */
export async function runOwnerStep(
  args: readonly string[],
  { dataDir, environment, onLine }: OwnerStepOptions,
): Promise<v.InferOutput<typeof ResultSchema>> {
  const { file, args: whole } = planeCommand(environment, CONTROL_MAIN, ...args);
  const child = spawn(file, whole, {
    cwd: REPOSITORY_ROOT,
    env: { ...inheritedVariables(environment), ...databaseVariables(dataDir) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  createInterface({ input: child.stderr }).on('line', onLine);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  const result = v.safeParse(ResultSchema, jsonOf(printed));
  if (!result.success) {
    throw new LocalStackError('part-failed', `The step ${args[0]} ended with code ${code}.`);
  }
  const { error } = result.output;
  if (error !== undefined) throw new LocalStackError('part-failed', error);
  return result.output;
}

/** `error` says why nothing, or not all, was done. */
const ResultSchema = v.looseObject({ ok: v.boolean(), error: v.optional(v.string()) });

function jsonOf(printed: string): unknown {
  try {
    return JSON.parse(printed.trim().split('\n').at(-1) ?? '');
  } catch {
    return undefined;
  }
}

function databaseVariables(dataDir: string): Record<string, string> {
  const { PORTARIUM_DATABASE_OWNER_URL: owner, PORTARIUM_DATABASE_URL: runtime } = process.env;
  if (owner !== undefined) {
    if (runtime !== undefined) {
      return { PORTARIUM_DATABASE_OWNER_URL: owner, PORTARIUM_DATABASE_URL: runtime };
    }
    throw new LocalStackError(
      'data-folder',
      'PORTARIUM_DATABASE_OWNER_URL is set and PORTARIUM_DATABASE_URL is not: set both, or none to use the local stack.',
    );
  }
  const folder = dataFolderAt(dataDir);
  const postgres = readStatus(dataDir).parts.find(({ part }) => part === 'postgres');
  const secrets = postgres?.state === 'ready' ? checkSecrets(folder) : undefined;
  if (!postgres || !secrets) {
    throw new LocalStackError(
      'data-folder',
      `The database of ${folder.path} does not run: start it with portarium up, or set PORTARIUM_DATABASE_OWNER_URL and PORTARIUM_DATABASE_URL.`,
    );
  }
  const url = (user: string, password: string) =>
    postgresUrl({ postgres: postgres.port }, user, password, POSTGRES_DATABASE);
  return {
    PORTARIUM_DATABASE_OWNER_URL: url(POSTGRES_OWNER, secrets.postgresOwnerPassword),
    PORTARIUM_DATABASE_URL: url(POSTGRES_RUNTIME, secrets.postgresRuntimePassword),
  };
}
