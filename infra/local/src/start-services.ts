/** Starts only the services (PostgreSQL, Temporal, NATS): for tests and benchmarks. */
import { dataFolderAt, prepareDataFolder } from './data-folder.ts';
import { type LocalEnvironment, readEnvironment } from './environment.ts';
import type { PortName, Ports } from './free-ports.ts';
import { natsPart } from './parts/nats.ts';
import {
  POSTGRES_DATABASE,
  POSTGRES_OWNER,
  POSTGRES_RUNTIME,
  postgresPart,
  postgresUrl,
} from './parts/postgres.ts';
import { temporalPart } from './parts/temporal.ts';
import type { PartSpec } from './process/part-spec.ts';
import { Supervisor } from './process/supervisor.ts';
import type { OnProgress } from './progress.ts';
import { ensureSecrets, type Secrets } from './secrets.ts';
import type { PartStatus } from './stack-file.ts';
import { withPorts } from './with-ports.ts';

export type ServiceName = 'postgres' | 'temporal' | 'nats';

/** Where the services answer; all on loopback. */
export interface ServiceAddresses {
  readonly postgres: {
    /** The Control Plane's role; it exists once `migrate` has run. */
    readonly url: string;
    /** The superuser that owns the cluster. */
    readonly ownerUrl: string;
  };
  /** `host:port`. */
  readonly temporal: { readonly address: string };
  readonly nats: { readonly url: string };
}

export interface RunningServices extends ServiceAddresses {
  status(): PartStatus[];
  /** Process id of a service; `undefined` while it is down. */
  pidOf(part: ServiceName): number | undefined;
  /** Stops all cleanly; resolves when no process is left. Idempotent. */
  stop(): Promise<void>;
}

export interface StartServicesOptions {
  readonly dataDir: string;
  /** All three when omitted. */
  readonly parts?: readonly ServiceName[];
  readonly ports?: Partial<Record<PortName, number>>;
  readonly onProgress?: OnProgress;
  readonly environment?: LocalEnvironment;
}

export function serviceAddresses(ports: Ports, secrets: Secrets): ServiceAddresses {
  const { postgresOwnerPassword: owner, postgresRuntimePassword: runtime } = secrets;
  return {
    postgres: {
      url: postgresUrl(ports, POSTGRES_RUNTIME, runtime, POSTGRES_DATABASE),
      ownerUrl: postgresUrl(ports, POSTGRES_OWNER, owner, POSTGRES_DATABASE),
    },
    temporal: { address: `127.0.0.1:${ports.temporal}` },
    nats: { url: `nats://127.0.0.1:${ports.nats}` },
  };
}

/**
 * Resolves when every asked-for service is ready. They start together and are restarted when they
 * die, until `stop`.
 * @throws LocalStackError
 */
export async function startServices(options: StartServicesOptions): Promise<RunningServices> {
  const environment = options.environment ?? readEnvironment();
  const onProgress = options.onProgress ?? (() => undefined);
  const folder = dataFolderAt(options.dataDir);
  prepareDataFolder(folder);
  const supervisor = await Supervisor.take(folder, onProgress);
  try {
    const secrets = ensureSecrets(folder);
    // Any free HTTP port: nothing listens on it here.
    const wanted = { http: 0, ...options.ports };
    const ports = await withPorts(supervisor, folder, { wanted }, async (chosen, begun) => {
      const specs: Record<ServiceName, () => PartSpec> = {
        postgres: () => postgresPart(folder, chosen, secrets, environment, supervisor.progress),
        temporal: () => temporalPart(folder, chosen, environment, supervisor.progress),
        nats: () => natsPart(folder, chosen, environment, supervisor.progress),
      };
      const names = options.parts ?? (['postgres', 'temporal', 'nats'] as const);
      const parts = names.map((name) => supervisor.add(specs[name]()));
      begun.push(...parts.map((part) => part.start()));
      await Promise.all(begun);
      return chosen;
    });
    supervisor.becomeReady('');
    return {
      ...serviceAddresses(ports, secrets),
      status: () => supervisor.status(),
      pidOf: (part) => supervisor.pidOf(part),
      stop: () => supervisor.stop(),
    };
  } catch (error) {
    await supervisor.stop(error);
    throw error;
  }
}
