/**
 * Composition root of the Execution Plane: `bun run sandbox/src/main.ts serve` is a sandbox host,
 * `… replay BUNDLE` runs recorded attempts again, `… check` admits an author's module, `… test` runs its
 * cases, `… isolation` tells how confined cells are on this machine.
 */
import { configure, getConsoleSink, getLogger, jsonLinesFormatter } from '@logtape/logtape';
import { leaveProxiesOut, readConfiguration, readSearchPath } from './configuration.ts';

async function main(): Promise<number> {
  const removed = leaveProxiesOut();
  const [role, ...args] = process.argv.slice(2);
  if (role === 'test') {
    const { testPlugin } = await import('./trial/test-command.ts');
    return testPlugin(args, readSearchPath());
  }
  if (role === 'check') {
    const { checkPlugin } = await import('./trial/check-command.ts');
    return checkPlugin(args, readSearchPath());
  }
  if (role === 'replay') {
    const { replay } = await import('./replay/replay-command.ts');
    return replay(args, readSearchPath());
  }
  if (role === 'isolation') {
    const { showIsolation } = await import('./isolation/isolation-command.ts');
    return showIsolation(readSearchPath());
  }
  await configure({
    sinks: { console: getConsoleSink({ formatter: jsonLinesFormatter }) },
    loggers: [
      { category: 'portarium', lowestLevel: 'info', sinks: ['console'] },
      { category: ['logtape', 'meta'], lowestLevel: 'warning', sinks: ['console'] },
    ],
  });
  const log = getLogger(['portarium', 'sandbox']);
  if (role !== 'serve') {
    log.error('unknown role; use: serve, replay BUNDLE, check, test, or isolation', { role });
    return 2;
  }
  if (removed.length > 0) log.info('proxy variables are not used here', { removed });
  const read = await readConfiguration();
  if (!read.ok) {
    log.error('the environment is not what a sandbox host needs', { problems: read.problems });
    return 2;
  }
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  try {
    // Loaded here, so that a replay needs none of it.
    const { serve } = await import('./host/sandbox-host.ts');
    const telemetry = await telemetryOf(read.configuration.telemetryEndpoint);
    try {
      await serve(read.configuration, stop.signal);
    } finally {
      await telemetry?.close();
    }
    return 0;
  } catch (error) {
    log.error('the sandbox host stopped', { reason: error instanceof Error ? error.stack : error });
    return 1;
  }
}

async function telemetryOf(endpoint: string | undefined) {
  if (endpoint === undefined) return undefined;
  const { startTelemetry } = await import('./telemetry.ts');
  return startTelemetry(endpoint);
}

process.exit(await main());
