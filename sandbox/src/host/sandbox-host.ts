/** Puts a sandbox host together, serves attempts until it is told to stop, and drains. */
import { getLogger } from '@logtape/logtape';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { SandboxConfiguration } from '../configuration.ts';
import { ownAddresses, systemResolve } from '../egress/resolve.ts';
import { isolationProblem } from '../isolation/levels.ts';
import { attemptActivities } from './attempt-activity.ts';
import { AttemptRunner } from './attempt-runner.ts';
import { sleep } from './back-off.ts';
import { candidateActivities } from './candidate-activity.ts';
import { CandidateRunner } from './candidate-runner.ts';
import { CellPool } from './cell-pool.ts';
import { type CellProgram, prepareCellProgram } from './cell-program.ts';
import { ControlClient } from './control-client.ts';
import { type Health, startHealthServer } from './health-server.ts';
import { ModuleCache } from './module-cache.ts';

const log = getLogger(['portarium', 'sandbox']);

const EXTISM_VERSION = '2.0.0-rc13';
const MODULE_CACHE_BYTES = 256 * 1024 * 1024;
const CONNECT_RETRY_MS = 500;
const ATTEMPTS_PER_CELL = 2;
/** The SDK would hold heartbeats back to 4 of the 5 s that the workflow allows. */
const HEARTBEAT_THROTTLE_MS = 1_000;

/** Resolves after a graceful drain; rejects when a part that it can not do without is lost. */
export async function serve(configuration: SandboxConfiguration, stop: AbortSignal): Promise<void> {
  // Signals are handled by our own composition root: the worker has to drain before cells end.
  Runtime.install({ shutdownSignals: [] });
  const program = await isolatedProgram(configuration);
  const pool = new CellPool(program, { size: configuration.cells });
  let worker: Worker | undefined;
  let cellsStart = false;
  const health = await startHealthServer(configuration.healthPort, () =>
    healthOf(worker, cellsStart, pool, program),
  );
  let connection: NativeConnection | undefined;
  const { controlUrl: url, hostKey } = configuration;
  const control = new ControlClient({ url, hostKey });
  const runner = runnerOf(control, pool, program);
  const { isolation } = program;
  const candidates = new CandidateRunner({
    ...{ control, program, isolation, engine: engine() },
    // As many activities are left to attempts.
    most: configuration.cells,
  });
  try {
    cellsStart = await pool.started();
    if (!cellsStart) throw new Error('no cell can be started on this machine');
    connection = await connect(configuration.temporalAddress, stop);
    if (!connection) return;
    worker = await Worker.create({
      connection,
      namespace: configuration.temporalNamespace,
      taskQueue: configuration.taskQueue,
      activities: {
        ...attemptActivities(runner, ({ action }, end) => {
          log.info('attempt ended', { action, ...end });
        }),
        ...candidateActivities(candidates, ({ plugin }, end) => {
          log.info('module tried', { plugin, ...end });
        }),
      },
      // Some more than cells: an attempt that reports needs none, and those that wait get fair turns.
      maxConcurrentActivityTaskExecutions: ATTEMPTS_PER_CELL * configuration.cells,
      maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
      shutdownGraceTime: configuration.drainMs,
    });
    const started: Worker = worker;
    const shutdown = () => {
      pool.drain();
      candidates.drain();
      if (started.getState() === 'RUNNING') started.shutdown();
    };
    const running = started.run();
    stop.addEventListener('abort', shutdown, { once: true });
    if (stop.aborted) shutdown();
    log.info('sandbox host serves', {
      taskQueue: configuration.taskQueue,
      cells: configuration.cells,
      isolation: program.isolation,
      missing: program.missing,
      healthPort: health.port,
    });
    await running;
  } finally {
    await runner.settle();
    await health.close();
    await Promise.all([pool.close(), candidates.close()]);
    await connection?.close();
    await program.remove();
  }
}

/** @throws Error that says what is missing when the machine gives less than is required */
async function isolatedProgram({
  searchPath,
  requireIsolation,
}: SandboxConfiguration): Promise<CellProgram> {
  const program = await prepareCellProgram(searchPath, { attacked: true });
  const problem = isolationProblem(requireIsolation, program.isolation, program.missing);
  if (problem === undefined) return program;
  await program.remove();
  throw new Error(problem);
}

function runnerOf(
  control: ControlClient,
  pool: CellPool,
  { isolation }: CellProgram,
): AttemptRunner {
  return new AttemptRunner({
    control,
    pool,
    modules: new ModuleCache(MODULE_CACHE_BYTES),
    broker: { resolve: systemResolve, ownAddresses: ownAddresses() },
    isolation,
    engine: engine(),
  });
}

/** Engine and runtime with their versions. */
function engine(): string {
  return `extism-js/${EXTISM_VERSION} ${runtimeName()}`;
}

/** Tries until Temporal answers; undefined when told to stop first. */
async function connect(address: string, stop: AbortSignal): Promise<NativeConnection | undefined> {
  while (!stop.aborted) {
    try {
      return await NativeConnection.connect({ address });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.warn('Temporal does not answer; trying again', { address, reason });
      await sleep(CONNECT_RETRY_MS, stop);
    }
  }
  return undefined;
}

function healthOf(
  worker: Worker | undefined,
  cellsStart: boolean,
  pool: CellPool,
  { isolation, missing, diesWithHost: cellsDieWithHost }: CellProgram,
): Health {
  const state = worker?.getState() ?? 'CONNECTING';
  const reasons = [
    ...(cellsStart ? [] : ['no cell has started yet']),
    ...(state === 'RUNNING' ? [] : [`the Temporal worker is ${state}`]),
  ];
  return {
    ready: reasons.length === 0,
    reasons,
    details: {
      isolation,
      isolationMissing: missing,
      cells: pool.counts,
      cellsDieWithHost,
      worker: state,
    },
  };
}

function runtimeName(): string {
  const bun = process.versions.bun;
  return bun ? `bun/${bun}` : `node/${process.versions.node}`;
}
