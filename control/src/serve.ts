/** HTTP, Temporal worker and relay, each or all of them in one process, until it is told to stop. */
import { readFile } from 'node:fs/promises';
import { getLogger } from '@logtape/logtape';
import { keepProbed } from './application/keep-probed.ts';
import { lookAtAction } from './application/look-action.ts';
import { tellWorkspaceMigrations } from './application/tell-migrations.ts';
import { type Composed, cacheFolder, compose, MIGRATIONS, VERSION } from './compose.ts';
import { type Configuration, publicListenerOf, ratesOf } from './configuration.ts';
import { createApp } from './http/app.ts';
import { assertNoneFrozen, assertVerified } from './http/health.ts';
import { serveOutside } from './http/outside.ts';
import { readConsoleFiles } from './infrastructure/console-files.ts';
import { untoldWorkspaces } from './infrastructure/postgres/migration-tables.ts';
import { keepLease } from './infrastructure/postgres/migrations/leases.ts';
import { readAllMigrations } from './infrastructure/postgres/migrations/migration-files.ts';
import { startMetrics } from './infrastructure/telemetry/metrics.ts';
import { type RunningWorker, startWorker } from './infrastructure/temporal/worker.ts';
import { type Listening, listen } from './listen.ts';
import { startRelay } from './relay.ts';

const log = getLogger(['portarium', 'control']);

const WORKER_RETRY_MS = 1_000;

export const ROLES = ['api', 'worker', 'relay'] as const;
export type Role = (typeof ROLES)[number];

export interface RunningControlPlane {
  stop(): Promise<void>;
}

export async function serve(
  configuration: Configuration,
  roles: ReadonlySet<Role>,
): Promise<RunningControlPlane> {
  const endpoint = configuration.OTEL_EXPORTER_OTLP_ENDPOINT;
  const telemetry = endpoint === undefined ? undefined : startMetrics(endpoint);
  const composed = await compose(configuration);
  const lease = await keepLease(composed.sql, {
    role: [...roles].join('+'),
    version: VERSION,
    files: await readAllMigrations(MIGRATIONS),
  });
  let stopping = false;
  const isStopping = () => stopping;
  const worker = roles.has('worker') ? keepWorker(configuration, composed, isStopping) : undefined;
  // A stop waits for the one that is being told.
  const telling = roles.has('worker')
    ? tellWorkspaceMigrations(composed.context, () => untoldWorkspaces(composed.sql))
    : undefined;
  const relay = roles.has('relay') ? startRelay(composed) : undefined;
  if (roles.has('api')) void keepProbed(composed.context);
  const server = roles.has('api') ? await serveHttp(configuration, composed, worker) : undefined;
  return {
    async stop() {
      stopping = true;
      composed.stopWaiting();
      await server?.stop();
      await Promise.all([worker?.stop(), relay?.stop(), telling]);
      await lease.stop();
      await composed.close();
      await telemetry?.close();
    },
  };
}

async function serveHttp(
  configuration: Configuration,
  { context, publisher }: Composed,
  worker: KeptWorker | undefined,
): Promise<Listening> {
  const folder = configuration.PORTARIUM_CONSOLE_DIR;
  const app = createApp(context, {
    required: {
      postgres: () => context.directory.ping(),
      temporal: () => context.dispatcher.ping(),
      'evidence-store': () => context.objects.ping(),
      ...(worker === undefined
        ? {}
        : {
            worker: async () => {
              if (!worker.running()) throw new Error('the Temporal worker is not running');
            },
          }),
    },
    optional: {
      nats: () => publisher.ping(),
      vault: () => context.vault.ping(),
      'evidence-log': () => assertNoneFrozen(context),
      'evidence-verification': () => assertVerified(context),
    },
    rates: ratesOf(configuration),
    console: folder === undefined ? undefined : await readConsoleFiles(folder),
  });
  const server = await listen(app.fetch, {
    hostname: configuration.PORTARIUM_HTTP_HOST,
    port: configuration.PORTARIUM_HTTP_PORT,
  });
  const origin = `http://${configuration.PORTARIUM_HTTP_HOST}:${server.port}`;
  log.info(
    `listening on ${origin}, credentials in the ${context.vault.kind} vault, artifacts in ${context.objects.place} (${context.objects.kind})`,
  );
  const outside = await listenOutside(configuration, app.fetch);
  return {
    port: server.port,
    async stop() {
      await Promise.all([server.stop(), outside?.stop()]);
    },
  };
}

/** Serves callers on other machines what is theirs: nothing that sandbox hosts use. */
async function listenOutside(
  configuration: Configuration,
  fetch: (request: Request) => Response | Promise<Response>,
): Promise<Listening | undefined> {
  const outside = publicListenerOf(configuration);
  if (outside === undefined) return undefined;
  const { hostname, port, tls } = outside;
  const pem = tls && {
    cert: await readFile(tls.certFile, 'utf8'),
    key: await readFile(tls.keyFile, 'utf8'),
  };
  const server = await listen((request) => serveOutside(request, fetch, pem !== undefined), {
    ...{ hostname, port },
    tls: pem,
  });
  const scheme = pem ? 'https' : 'http';
  log.info(`listening on ${scheme}://${hostname}:${server.port} for other machines`);
  return server;
}

interface KeptWorker {
  running(): boolean;
  stop(): Promise<void>;
}

/** Starts the worker, and starts it again whenever Temporal was away for too long. */
function keepWorker(
  configuration: Configuration,
  { context }: Composed,
  stopping: () => boolean,
): KeptWorker {
  let current: RunningWorker | undefined;
  const loop = (async () => {
    while (!stopping()) {
      try {
        current = await startWorker(
          {
            address: configuration.PORTARIUM_TEMPORAL_ADDRESS,
            namespace: configuration.PORTARIUM_TEMPORAL_NAMESPACE,
            cacheFolder: cacheFolder(configuration),
            bundle: configuration.PORTARIUM_WORKFLOW_BUNDLE,
          },
          {
            look: ({ workspace, action }) => lookAtAction(context, workspace, action),
          },
        );
        await current.done;
      } catch (error) {
        if (!stopping())
          log.warn('the Temporal worker stopped and starts again: {reason}', {
            reason: String(error),
          });
      }
      current = undefined;
      if (!stopping()) await new Promise((resolve) => setTimeout(resolve, WORKER_RETRY_MS));
    }
  })();
  return {
    running: () => current !== undefined,
    async stop() {
      await current?.stop();
      await loop;
    },
  };
}
