/**
 * Control Plane and sandbox host as the launcher runs them: their commands and exactly the variables
 * that each needs. The sandbox host gets no database, vault or evidence setting.
 */

import { join } from 'node:path';
import { bunArguments } from '../bun-arguments.ts';
import type { DataFolder } from '../data-folder.ts';
import {
  inheritedVariables,
  type LocalEnvironment,
  outerVariables,
  planeTuning,
} from '../environment.ts';
import type { Ports } from '../free-ports.ts';
import { LocalStackError } from '../local-stack-error.ts';
import { type Outside, outsideVariables } from '../outside.ts';
import { probeHttp } from '../probes/http-probe.ts';
import { withDeathSignal } from '../process/death-signal.ts';
import type { PartSpec } from '../process/part-spec.ts';
import { RotatingLog } from '../process/rotating-log.ts';
import { runCommand } from '../process/run-command.ts';
import type { OnProgress } from '../progress.ts';
import { REPOSITORY_ROOT } from '../repository.ts';
import type { Secrets } from '../secrets.ts';
import { toldIsolation } from './isolation.ts';
import { planeCommand } from './plane-command.ts';
import { POSTGRES_DATABASE, POSTGRES_OWNER, POSTGRES_RUNTIME, postgresUrl } from './postgres.ts';
import { TEMPORAL_NAMESPACE } from './temporal.ts';

export const CONTROL_MAIN = 'control/src/main.ts';
export const SANDBOX_MAIN = 'sandbox/src/main.ts';
/** How long attempts may finish after SIGTERM. */
export const SANDBOX_DRAIN_MS = 10_000;
const STEP_TIMEOUT_MS = 5 * 60_000;

/** What every part of the stack is told about the others. */
export interface StackContext {
  readonly folder: DataFolder;
  readonly ports: Ports;
  readonly secrets: Secrets;
  readonly environment: LocalEnvironment;
  readonly onProgress: OnProgress;
  /** Where callers on other machines come in. */
  readonly outside?: Outside | undefined;
  /** The address at which sandbox hosts find the Control Plane that answers at the given one. */
  readonly hostsFindControlAt?: ((controlUrl: string) => string) | undefined;
}

/** Base address of the Control Plane. */
export function controlUrl(ports: Ports): string {
  return `http://127.0.0.1:${ports.http}`;
}

function controlVariables(context: StackContext): Record<string, string> {
  const { folder, ports, secrets, environment } = context;
  return {
    ...inheritedVariables(environment),
    PORTARIUM_INSTANCE: 'local',
    ...planeTuning(environment),
    ...outerVariables(environment),
    PORTARIUM_DATABASE_URL: postgresUrl(
      ports,
      POSTGRES_RUNTIME,
      secrets.postgresRuntimePassword,
      POSTGRES_DATABASE,
    ),
    PORTARIUM_HTTP_HOST: '127.0.0.1',
    PORTARIUM_HTTP_PORT: String(ports.http),
    PORTARIUM_TEMPORAL_ADDRESS: `127.0.0.1:${ports.temporal}`,
    PORTARIUM_TEMPORAL_NAMESPACE: TEMPORAL_NAMESPACE,
    PORTARIUM_NATS_URL: `nats://127.0.0.1:${ports.nats}`,
    PORTARIUM_EVIDENCE_DIR: folder.evidence,
    PORTARIUM_VAULT_DIR: folder.vault,
    PORTARIUM_MASTER_KEY_FILE: folder.masterKey,
    PORTARIUM_BOOTSTRAP_FILE: folder.bootstrap,
    PORTARIUM_CONSOLE_DIR: folder.console,
    ...outsideVariables(context.outside),
  };
}

export function controlPart(context: StackContext): PartSpec {
  return {
    part: 'control',
    port: context.ports.http,
    prepare: async () => ({
      ...planeCommand(context.environment, CONTROL_MAIN, 'all'),
      env: controlVariables(context),
      cwd: REPOSITORY_ROOT,
    }),
    isReady: async () => (await probeHttp(context.ports.http, '/readyz')).status === 200,
    answers: async () => (await probeHttp(context.ports.http, '/livez')).status !== 0,
    readyTimeoutMs: 60_000,
    stopSignal: 'SIGTERM',
    stopTimeoutMs: 15_000,
    deathSignal: 'KILL',
  };
}

export function sandboxPart(context: StackContext): PartSpec {
  const { folder, ports, environment } = context;
  return {
    part: 'sandbox',
    port: ports.sandboxHealth,
    prepare: async () => ({
      ...planeCommand(environment, SANDBOX_MAIN, 'serve'),
      env: {
        ...inheritedVariables(environment),
        PORTARIUM_TASK_QUEUE: 'sandbox.default',
        ...planeTuning(environment),
        PORTARIUM_CONTROL_URL: context.hostsFindControlAt?.(controlUrl(ports)) ?? controlUrl(ports),
        PORTARIUM_HOST_KEY_FILE: folder.hostKey,
        PORTARIUM_TEMPORAL_ADDRESS: `127.0.0.1:${ports.temporal}`,
        PORTARIUM_TEMPORAL_NAMESPACE: TEMPORAL_NAMESPACE,
        PORTARIUM_DRAIN_MS: String(SANDBOX_DRAIN_MS),
        PORTARIUM_HEALTH_PORT: String(ports.sandboxHealth),
      },
      cwd: REPOSITORY_ROOT,
    }),
    isReady: async () => (await probeHttp(ports.sandboxHealth, '/readyz')).status === 200,
    answers: async () => (await probeHttp(ports.sandboxHealth, '/livez')).status !== 0,
    tells: async () => toldIsolation((await probeHttp(ports.sandboxHealth, '/healthz')).body),
    readyTimeoutMs: 60_000,
    stopSignal: 'SIGTERM',
    stopTimeoutMs: SANDBOX_DRAIN_MS + 5_000,
    deathSignal: 'KILL',
  };
}

/**
 * Builds the web console into the data folder, from the sources that this start runs.
 * @throws LocalStackError with what the build said
 */
export async function buildConsole({ folder, environment }: StackContext): Promise<void> {
  const result = await runCommand(
    process.execPath,
    bunArguments('scripts/build-console.ts', folder.console),
    { cwd: REPOSITORY_ROOT, env: inheritedVariables(environment), timeoutMs: STEP_TIMEOUT_MS },
  );
  if (result.ok) return;
  throw new LocalStackError('part-failed', `The console was not built:\n${result.output}`);
}

/**
 * Runs `migrate` or `bootstrap` to its end with the owner's database role.
 * @throws LocalStackError with the end of its output
 */
export async function runControlStep(
  step: 'migrate' | 'bootstrap',
  context: StackContext,
): Promise<void> {
  const { folder, ports, secrets, onProgress } = context;
  const began = Date.now();
  onProgress({ part: step, state: 'starting' });
  const log = new RotatingLog(join(folder.logs, `${step}.log`));
  const { file, args } = planeCommand(context.environment, CONTROL_MAIN, step);
  const command = withDeathSignal(file, args, 'KILL');
  const result = await runCommand(command.file, command.args, {
    cwd: REPOSITORY_ROOT,
    env: {
      ...controlVariables(context),
      PORTARIUM_DATABASE_OWNER_URL: postgresUrl(
        ports,
        POSTGRES_OWNER,
        secrets.postgresOwnerPassword,
        POSTGRES_DATABASE,
      ),
    },
    timeoutMs: STEP_TIMEOUT_MS,
    onOutput: (text) => log.write(text),
  });
  if (!result.ok) {
    const how = result.timedOut ? 'did not end in time' : `ended with code ${result.code}`;
    onProgress({ part: step, state: 'failed', detail: how });
    throw new LocalStackError(
      'part-failed',
      `The Control Plane's ${step} ${how}. The end of ${log.path}:\n${log.tail()}`,
    );
  }
  onProgress({ part: step, state: 'ready', ms: Date.now() - began });
}
