/** Wires the ports to their adapters. The one place that knows every adapter. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { INSTANCE_WORKSPACE, type WorkspaceId } from '@portarium/contracts/ids';
import packageJson from '../../package.json' with { type: 'json' };
import { type CheckedStore, createCheckedStore } from './application/checked-store.ts';
import { type Context, SYSTEM_ACTOR } from './application/context.ts';
import { readDatabaseUrl } from './application/database-secret.ts';
import { createFixedActions } from './application/fixed-actions.ts';
import { createModuleKeeper } from './application/keep-module.ts';
import type { Clock } from './application/ports/clock.ts';
import type { RetentionOf } from './application/ports/object-store.ts';
import { forgetStored, sealLog } from './application/seal-log.ts';
import { tellMigrations } from './application/tell-migrations.ts';
import { createRetention } from './application/workspace-retention.ts';
import { type Configuration, evidenceStoreOf, kvVaultOf } from './configuration.ts';
import { openKeyring } from './infrastructure/identity/keyring.ts';
import { readCertificate } from './infrastructure/identity/read-certificate.ts';
import { systemClock, systemIds } from './infrastructure/identity/system.ts';
import { createPublisher, type EventPublisher } from './infrastructure/nats/publisher.ts';
import { openObjectStore } from './infrastructure/objects/open-store.ts';
import { createCedarEngine } from './infrastructure/policy/cedar.ts';
import { createCatalogue } from './infrastructure/postgres/catalogue.ts';
import type { ClockAlarm } from './infrastructure/postgres/clock-watch.ts';
import { type CommitSignals, listenForCommits } from './infrastructure/postgres/commit-signals.ts';
import { connect, type Sql } from './infrastructure/postgres/connect.ts';
import { createDirectory } from './infrastructure/postgres/directory.ts';
import { createLogLock } from './infrastructure/postgres/log-lock.ts';
import { createRateTokens } from './infrastructure/postgres/rate-tokens.ts';
import {
  createPlaces,
  createTiers,
  type Places,
} from './infrastructure/postgres/tenancy/places.ts';
import { createWorkspaceStore } from './infrastructure/postgres/workspace-store.ts';
import { createWatchMetrics } from './infrastructure/telemetry/watch-metrics.ts';
import { createDispatcher, type TemporalDispatcher } from './infrastructure/temporal/dispatcher.ts';
import { openKvVault } from './infrastructure/vault/kv-vault.ts';
import { readMasterKeys } from './infrastructure/vault/master-keys.ts';
import { openSealedVault, type SealedVault } from './infrastructure/vault/sealed-vault.ts';

export const VERSION = packageJson.version;
export const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url));

export interface Composed {
  readonly context: Context;
  readonly sql: Sql;
  readonly places: Places;
  readonly signals: CommitSignals;
  readonly dispatcher: TemporalDispatcher;
  readonly publisher: EventPublisher;
  /** Ends what waits: long requests, event streams. */
  stopWaiting(): void;
  /** Every log is compared with the evidence store anew before its next entry. */
  forgetChecks(): void;
  close(): Promise<void>;
}

/** Connections to PostgreSQL of one Control Plane process. */
const POOL_SIZE = 16;
/** Those of the role that disposes. */
const DESTROY_POOL_SIZE = 4;

export async function compose(
  configuration: Configuration,
  clock: Clock = systemClock,
  /** Only tests keep for less. */
  retention?: RetentionOf,
  poolSize = POOL_SIZE,
): Promise<Composed> {
  const ids = systemIds(clock);
  const sealed = await openSealedVault(
    configuration.PORTARIUM_VAULT_DIR,
    await readMasterKeys(
      configuration.PORTARIUM_MASTER_KEY,
      configuration.PORTARIUM_MASTER_KEY_FILE,
    ),
  );
  const external = kvVaultOf(configuration);
  const vault = external ? await openKvVault(external) : sealed;
  const sql = connect(configuration.PORTARIUM_DATABASE_URL, {
    max: poolSize,
    name: 'portarium-control',
  });
  const destroySql = connect(configuration.PORTARIUM_DATABASE_URL, {
    ...{ max: DESTROY_POOL_SIZE, name: 'portarium-destroy', role: 'portarium_destroy' },
  });
  const tenancy = {
    instance: sql,
    tiers: createTiers(sql),
    readUrl: (workspace: WorkspaceId, secret: string) => readDatabaseUrl(vault, workspace, secret),
  };
  const places = createPlaces({ ...tenancy, shared: sql, role: 'runtime' });
  const destroyPlaces = createPlaces({ ...tenancy, shared: destroySql, role: 'destroy' });
  const catalogue = createCatalogue(destroyPlaces);
  const retentionOf =
    retention ??
    createRetention(clock, async (workspace) => {
      const { days } = await sealerStore.read(workspace, (tx) => tx.workspaceRetention());
      return days;
    });
  const objects = await openObjectStore(evidenceStoreOf(configuration), clock, retentionOf);
  const keyring = await openKeyring(sealed, configuration.PORTARIUM_INSTANCE, clock);
  const dispatcher = createDispatcher(
    configuration.PORTARIUM_TEMPORAL_ADDRESS,
    configuration.PORTARIUM_TEMPORAL_NAMESPACE,
  );
  const publisher = createPublisher(configuration.PORTARIUM_NATS_URL);
  const logLock = createLogLock(configuration.PORTARIUM_DATABASE_URL);
  const verificationLock = createLogLock(configuration.PORTARIUM_DATABASE_URL, 'verification');
  const reconciliationLock = createLogLock(configuration.PORTARIUM_DATABASE_URL, 'reconciliation');
  const keepLock = createLogLock(configuration.PORTARIUM_DATABASE_URL, 'keep');
  const onClock = (alarm: ClockAlarm) => tellClock(store, alarm);
  const sealerStore = createWorkspaceStore(places, ids, onClock);
  const check = (workspace: WorkspaceId) =>
    sealLog({ sealerStore, objects, clock, logLock, signer: keyring.signer }, workspace);
  const store: CheckedStore = createCheckedStore(sealerStore, check);
  const destroyStore = createCheckedStore(createWorkspaceStore(destroyPlaces, ids, onClock), check);
  const forgetChecks = () => {
    forgetStored(objects);
    store.forget();
    destroyStore.forget();
  };
  const signals = await listenForCommits(sql, forgetChecks);
  const stopping = new AbortController();
  const context: Context = {
    clock,
    ids,
    store,
    sealerStore,
    fixedActions: createFixedActions(store),
    directory: createDirectory(sql, places),
    objects,
    keepModule: createModuleKeeper({ objects, clock }),
    retentionOf,
    catalogue,
    destroyStore,
    policy: createCedarEngine(),
    dispatcher,
    signer: keyring.signer,
    logLock,
    verificationLock,
    reconciliationLock,
    watchMetrics: createWatchMetrics(clock),
    keepLock,
    tickets: keyring.tickets,
    secrets: keyring.secrets,
    idempotencyKeys: keyring.idempotencyKeys,
    vault,
    readCertificate,
    signals,
    rateTokens: createRateTokens(sql),
    stopping: stopping.signal,
    version: VERSION,
  };
  await tellMigrations(context);
  await tellRewrap(context, sealed);
  return {
    context,
    sql,
    places,
    signals,
    dispatcher,
    publisher,
    stopWaiting: () => stopping.abort(),
    forgetChecks,
    async close() {
      await signals.stop().catch(() => undefined);
      await Promise.all([
        publisher.close(),
        dispatcher.close().catch(() => undefined),
        logLock.close(),
        verificationLock.close(),
        reconciliationLock.close(),
        keepLock.close(),
        places.close(),
        destroyPlaces.close(),
        destroySql.end({ timeout: 5 }),
        sql.end({ timeout: 5 }),
      ]);
    },
  };
}

/** A change of the master key is evidence; told again after a crash in between. */
async function tellRewrap(context: Context, vault: SealedVault): Promise<void> {
  const { rewrap } = vault;
  if (rewrap === undefined) return;
  await context.store.submit(INSTANCE_WORKSPACE, async (tx) => {
    tx.append({
      type: 'vault.rewrapped',
      actor: SYSTEM_ACTOR,
      subject: {},
      data: { masterKey: rewrap.to, entries: rewrap.entries },
      trace: null,
    });
  });
  await vault.confirmRewrap();
}

/** A clock that was moved is a fact of the instance. The log of the process says so whatever becomes of it. */
function tellClock(store: CheckedStore, { workspace, kind, byMs }: ClockAlarm): void {
  const entry = {
    type: 'clock.stepped',
    actor: SYSTEM_ACTOR,
    subject: {},
    data: { workspace, kind, byMs },
    trace: null,
  } as const;
  store.submit(INSTANCE_WORKSPACE, async (tx) => tx.append(entry)).catch(() => undefined);
}

/** Where bundled workflow code and the like may be kept. */
export function cacheFolder(configuration: Configuration): string {
  return configuration.PORTARIUM_CACHE_DIR ?? join(homedir(), '.cache', 'portarium');
}
