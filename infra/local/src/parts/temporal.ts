/** Temporal's own development server with a file database, on loopback. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { resolveBinary } from '../binaries/resolve-binary.ts';
import type { DataFolder } from '../data-folder.ts';
import { inheritedVariables, type LocalEnvironment } from '../environment.ts';
import type { Ports } from '../free-ports.ts';
import { probeTemporal } from '../probes/temporal-probe.ts';
import type { PartSpec } from '../process/part-spec.ts';
import type { OnProgress } from '../progress.ts';

/** The namespace of the embedded stack; the development server creates it. */
export const TEMPORAL_NAMESPACE = 'default';

/**
 * The development server polls its queues 20 times a second on one shard, which rounds every
 * dispatch up to 50 ms. Raised, a workflow takes 43 ms instead of 150 ms.
 */
const POLL_RATES = ['transfer', 'timer', 'visibility', 'outbound'].flatMap((queue) => [
  `history.${queue}ProcessorMaxPollRPS=2000`,
  `history.${queue}ProcessorMaxPollHostRPS=2000`,
]);

export function temporalPart(
  folder: DataFolder,
  ports: Ports,
  environment: LocalEnvironment,
  onProgress: OnProgress,
): PartSpec {
  let binary: string | undefined;
  return {
    part: 'temporal',
    port: ports.temporal,
    prepare: async () => {
      binary ??= (await resolveBinary('temporal', { environment, onProgress })).path;
      mkdirSync(dirname(folder.temporalFile), { recursive: true, mode: 0o700 });
      return {
        file: binary,
        args: [
          ...['server', 'start-dev', '--headless', '--ip', '127.0.0.1'],
          ...['--port', String(ports.temporal), '--db-filename', folder.temporalFile],
          ...['--namespace', TEMPORAL_NAMESPACE, '--log-level', 'error', '--color', 'never'],
          // The person's own Temporal profiles must not reach this server.
          ...['--disable-config-file', '--disable-config-env'],
          ...POLL_RATES.flatMap((value) => ['--dynamic-config-value', value]),
        ],
        env: inheritedVariables(environment),
        cwd: dirname(folder.temporalFile),
      };
    },
    isReady: async () => (await probeTemporal(ports.temporal, TEMPORAL_NAMESPACE)) === '0',
    answers: async () => (await probeTemporal(ports.temporal, TEMPORAL_NAMESPACE)) !== undefined,
    readyTimeoutMs: 60_000,
    stopSignal: 'SIGTERM',
    stopTimeoutMs: 10_000,
    deathSignal: 'KILL',
  };
}
