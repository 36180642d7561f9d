/** Starts the whole embedded stack: services, migrations, bootstrap, Control Plane, sandbox host. */
import { assertOutside } from './assert-outside.ts';
import { type Bootstrap, type BootstrapKeys, readBootstrap } from './bootstrap-file.ts';
import { dataFolderAt, prepareDataFolder } from './data-folder.ts';
import { configuringVariables, type LocalEnvironment, readEnvironment } from './environment.ts';
import type { PortName, PortWishes } from './free-ports.ts';
import { LocalStackError } from './local-stack-error.ts';
import { type Outside, whereOf } from './outside.ts';
import { natsPart } from './parts/nats.ts';
import {
  buildConsole,
  controlPart,
  controlUrl,
  runControlStep,
  type StackContext,
  sandboxPart,
} from './parts/planes.ts';
import { postgresPart } from './parts/postgres.ts';
import { temporalPart } from './parts/temporal.ts';
import { Supervisor } from './process/supervisor.ts';
import type { OnProgress, PartName } from './progress.ts';
import { ensureMasterKey, ensureSecrets } from './secrets.ts';
import type { PartStatus, StartedWith } from './stack-file.ts';
import { type ServiceAddresses, serviceAddresses } from './start-services.ts';
import { beginUpgrade, endUpgrade, upgradeFailed } from './upgrade.ts';
import { type Begun, withPorts } from './with-ports.ts';

export interface RunningStack {
  /** Base address of the Control Plane, such as `http://127.0.0.1:3000`. */
  readonly url: string;
  readonly workspace: string;
  readonly keys: BootstrapKeys;
  /** Key of the sandbox host, for tests that act as one. */
  readonly hostKey?: string;
  readonly dataDir: string;
  readonly version: string;
  readonly services: ServiceAddresses;
  /** Process id of a part; `undefined` while it is down. */
  pidOf(part: PartName): number | undefined;
  status(): PartStatus[];
  /** Stops all in reverse order; resolves when no process is left. Idempotent. */
  stop(): Promise<void>;
}

export interface StartStackOptions {
  readonly dataDir: string;
  readonly onProgress?: OnProgress;
  /** Wanted ports; `0` asks for any free one. */
  readonly ports?: Partial<Record<PortName, number>>;
  readonly environment?: LocalEnvironment;
  /** Where callers on other machines come in; nobody does when left out. */
  readonly outside?: Outside | undefined;
  /** Whether no terminal and no service holds this process. */
  readonly background?: boolean;
  /** For tests that stand in between: the address at which sandbox hosts find the Control Plane. */
  readonly hostsFindControlAt?: (controlUrl: string) => string;
  /** Aborting stops a start that is under way; a running stack is stopped with `stop`. */
  readonly signal?: AbortSignal;
}

/**
 * Resolves when every part is ready. Parts that die are started again, until `stop`.
 * @throws LocalStackError
 */
export async function startStack(options: StartStackOptions): Promise<RunningStack> {
  const environment = options.environment ?? readEnvironment();
  const onProgress = options.onProgress ?? (() => undefined);
  const folder = dataFolderAt(options.dataDir);
  prepareDataFolder(folder);
  const supervisor = await Supervisor.take(folder, onProgress);
  const interrupted = new LocalStackError('interrupted', 'The start was interrupted.');
  let interrupt: (error: LocalStackError) => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    interrupt = reject;
  });
  aborted.catch(() => undefined);
  const onAbort = (): void => {
    void supervisor.stop(interrupted);
    interrupt(interrupted);
  };
  options.signal?.addEventListener('abort', onAbort, { once: true });
  let upgraded: string | undefined;
  try {
    supervisor.startedWith(howStarted(options, environment));
    if (options.outside !== undefined) await assertOutside(options.outside);
    upgraded = await beginUpgrade(folder, supervisor.progress, options.signal);
    const secrets = ensureSecrets(folder);
    ensureMasterKey(folder);
    const wishes = portWishes(options, environment);
    const starting = withPorts(supervisor, folder, wishes, async (ports, begun) => {
      const { hostsFindControlAt, outside } = options;
      const onProgress = supervisor.progress;
      const chosen = {
        folder,
        ports,
        secrets,
        environment,
        onProgress,
        outside,
        hostsFindControlAt,
      };
      await startParts(supervisor, chosen, options.signal, begun);
      return chosen;
    });
    // A build that is under way would hold an interrupted start for minutes.
    const context = await Promise.race([starting, aborted]);
    const bootstrap = readBootstrap(folder);
    endUpgrade(folder);
    supervisor.becomeReady(controlUrl(context.ports));
    return describe(supervisor, context, bootstrap);
  } catch (error) {
    const told = upgraded === undefined ? error : upgradeFailed(error, upgraded);
    await supervisor.stop(told);
    throw options.signal?.aborted === true ? interrupted : told;
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
  }
}

function howStarted(
  { background = false, outside, ports }: StartStackOptions,
  environment: LocalEnvironment,
): StartedWith {
  return {
    background,
    variables: configuringVariables(environment),
    ...(ports?.http === undefined ? {} : { httpPort: ports.http }),
    ...(outside === undefined ? {} : { outside }),
  };
}

function portWishes(options: StartStackOptions, environment: LocalEnvironment): PortWishes {
  const fromEnvironment = environment.httpPort === undefined ? {} : { http: environment.httpPort };
  return {
    wanted: { ...fromEnvironment, ...options.ports },
    reserved: options.outside === undefined ? [] : [whereOf(options.outside).port],
  };
}

/**
 * Services start together, and migrations run as soon as PostgreSQL is there; the planes follow in
 * order.
 */
async function startParts(
  supervisor: Supervisor,
  context: StackContext,
  signal: AbortSignal | undefined,
  begun: Begun,
): Promise<void> {
  const { folder, ports, secrets, environment, onProgress } = context;
  const postgres = supervisor.add(postgresPart(folder, ports, secrets, environment, onProgress));
  const temporal = supervisor.add(temporalPart(folder, ports, environment, onProgress));
  const nats = supervisor.add(natsPart(folder, ports, environment, onProgress));
  const control = supervisor.add(controlPart(context));
  const sandbox = supervisor.add(sandboxPart(context));
  const database = async (): Promise<void> => {
    await postgres.start();
    signal?.throwIfAborted();
    await runControlStep('migrate', context);
    signal?.throwIfAborted();
    await runControlStep('bootstrap', context);
    readBootstrap(folder);
  };
  begun.push(database(), temporal.start(), nats.start(), buildConsole(context));
  await Promise.all(begun);
  signal?.throwIfAborted();
  await control.start();
  signal?.throwIfAborted();
  await sandbox.start();
  signal?.throwIfAborted();
}

function describe(
  supervisor: Supervisor,
  context: StackContext,
  bootstrap: Bootstrap,
): RunningStack {
  return {
    url: controlUrl(context.ports),
    workspace: bootstrap.workspace,
    keys: bootstrap.keys,
    ...(bootstrap.hostKey === undefined ? {} : { hostKey: bootstrap.hostKey }),
    dataDir: context.folder.path,
    version: supervisor.version,
    services: serviceAddresses(context.ports, context.secrets),
    pidOf: (part) => supervisor.pidOf(part),
    status: () => supervisor.status(),
    stop: () => supervisor.stop(),
  };
}
