/** A Control Plane inside the test process: real database, Temporal and bus; requests by `fetch`. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CandidateDispatch } from '@portarium/contracts/internal-api';
import { freshDatabase, sharedServices } from '@portarium/local/testing/shared-services';
import { type Bootstrap, bootstrap } from '../application/bootstrap.ts';
import type { Clock } from '../application/ports/clock.ts';
import type { RetentionOf } from '../application/ports/object-store.ts';
import { type Composed, compose, MIGRATIONS } from '../compose.ts';
import { type Configuration, ratesOf, readConfiguration } from '../configuration.ts';
import type { Api } from '../http/api.ts';
import { createApp } from '../http/app.ts';
import { migrate } from '../infrastructure/postgres/migrations/migrate.ts';
import { ModuleHost } from './module-host.ts';

export interface TestInstance extends AsyncDisposable {
  readonly composed: Composed;
  readonly configuration: Configuration & { readonly PORTARIUM_EVIDENCE_DIR: string };
  readonly app: Api;
  readonly keys: Bootstrap['keys'];
  readonly hostKey: string;
  readonly ownerUrl: string;
  readonly runtimeUrl: string;
  /** A request with the key of a role, or with no key. */
  call(method: string, path: string, options?: CallOptions): Promise<Response>;
}

export interface CallOptions {
  readonly role?: string;
  readonly key?: string;
  readonly json?: unknown;
  readonly body?: BodyInit;
  readonly headers?: Record<string, string>;
}

/**
 * @param environment variables of the configuration that differ from a test's usual ones
 * @param retention instead of what classes and workspaces say
 * @param poolSize connections to PostgreSQL, where a test wants few
 */
export async function startTestInstance(
  clock?: Clock,
  environment: Readonly<Record<string, string>> = {},
  retention?: RetentionOf,
  poolSize?: number,
): Promise<TestInstance> {
  const services = await sharedServices();
  const database = await freshDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'portarium-control-'));
  const masterKey = join(folder, 'master.key');
  await writeFile(masterKey, randomBytes(32).toString('hex'), { mode: 0o600 });
  await migrate({
    ownerUrl: database.ownerUrl,
    runtimeUrl: database.url,
    folder: MIGRATIONS,
    toolVersion: 'test',
  });
  const evidence = join(folder, 'evidence');
  const configuration = readConfiguration({
    PORTARIUM_DATABASE_URL: database.url,
    PORTARIUM_TEMPORAL_ADDRESS: services.temporal.address,
    PORTARIUM_NATS_URL: services.nats.url,
    PORTARIUM_EVIDENCE_DIR: evidence,
    PORTARIUM_VAULT_DIR: join(folder, 'vault'),
    PORTARIUM_MASTER_KEY_FILE: masterKey,
    PORTARIUM_INSTANCE: 'test',
    ...environment,
  });
  const composed = withHost(await compose(configuration, clock, retention, poolSize), (dispatch) =>
    host.admit(dispatch),
  );
  const first = await bootstrap(composed.context);
  const app = createApp(composed.context, {
    required: { postgres: () => composed.context.directory.ping() },
    optional: {},
    rates: ratesOf(configuration),
  });
  const host = new ModuleHost(() => ({ app, hostKey: first.hostKey }));
  return {
    composed,
    configuration: { ...configuration, PORTARIUM_EVIDENCE_DIR: evidence },
    app,
    keys: first.keys,
    hostKey: first.hostKey,
    ownerUrl: database.ownerUrl,
    runtimeUrl: database.url,
    call: callOf(app, first.keys),
    async [Symbol.asyncDispose]() {
      await host.stop();
      await composed.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Uploads are tried by a host of this process. */
function withHost(
  composed: Composed,
  admit: (dispatch: CandidateDispatch) => Promise<void>,
): Composed {
  const dispatcher: Composed['dispatcher'] = {
    ...composed.dispatcher,
    admit: (workspace, plugin) => admit({ workspace, plugin }),
  };
  return { ...composed, dispatcher, context: { ...composed.context, dispatcher } };
}

/** Requests to `app` with the keys of roles. */
export function callOf(app: Api, keys: Bootstrap['keys']): TestInstance['call'] {
  return async (method, path, options = {}) => {
    const key = options.key ?? (options.role === undefined ? undefined : keys[options.role]);
    const headers = new Headers(options.headers);
    if (key !== undefined) headers.set('authorization', `Bearer ${key}`);
    if (options.json !== undefined) headers.set('content-type', 'application/json');
    const body = options.json === undefined ? options.body : JSON.stringify(options.json);
    return app.fetch(
      new Request(`http://control.test${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
      }),
    );
  };
}
