/** NATS with JetStream on loopback. */
import { mkdirSync } from 'node:fs';
import { writeFileAtomically } from '../atomic-file.ts';
import { resolveBinary } from '../binaries/resolve-binary.ts';
import type { DataFolder } from '../data-folder.ts';
import { inheritedVariables, type LocalEnvironment } from '../environment.ts';
import type { Ports } from '../free-ports.ts';
import { probeHttp } from '../probes/http-probe.ts';
import type { PartSpec } from '../process/part-spec.ts';
import type { OnProgress } from '../progress.ts';

/**
 * Configuration text. An event is far below 1 MiB (an evidence entry has at most 64 KiB). Publishes
 * are flushed to the operating system before they are acknowledged and to the disk each second:
 * events follow PostgreSQL, so a power cut costs at most a repeat by the relay's consumer.
 */
export function natsConfig(ports: Ports, storeDir: string): string {
  return [
    'server_name: portarium-local',
    `listen: "127.0.0.1:${ports.nats}"`,
    `http: "127.0.0.1:${ports.natsMonitor}"`,
    'max_payload: 1MB',
    'jetstream {',
    `  store_dir: ${JSON.stringify(storeDir)}`,
    '  sync_interval: "1s"',
    '  max_memory_store: 256MB',
    '  max_file_store: 8GB',
    '}',
    '',
  ].join('\n');
}

export function natsPart(
  folder: DataFolder,
  ports: Ports,
  environment: LocalEnvironment,
  onProgress: OnProgress,
): PartSpec {
  let binary: string | undefined;
  return {
    part: 'nats',
    port: ports.nats,
    prepare: async () => {
      binary ??= (await resolveBinary('nats-server', { environment, onProgress })).path;
      mkdirSync(folder.nats, { recursive: true, mode: 0o700 });
      writeFileAtomically(folder.natsConfig, natsConfig(ports, folder.nats), 0o600);
      return {
        file: binary,
        args: ['--config', folder.natsConfig],
        env: inheritedVariables(environment),
        cwd: folder.nats,
      };
    },
    isReady: async () =>
      (await probeHttp(ports.natsMonitor, '/healthz?js-enabled-only=true')).status === 200,
    answers: async () => (await probeHttp(ports.natsMonitor, '/healthz')).status !== 0,
    readyTimeoutMs: 60_000,
    stopSignal: 'SIGTERM',
    stopTimeoutMs: 10_000,
    deathSignal: 'KILL',
  };
}
