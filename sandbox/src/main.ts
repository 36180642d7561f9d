/** Composition root of the Execution Plane: `bun run sandbox/src/main.ts serve`. */
import { configure, getConsoleSink, getLogger, jsonLinesFormatter } from '@logtape/logtape';
import { leaveProxiesOut, readConfiguration } from './configuration.ts';
import { serve } from './host/sandbox-host.ts';

async function main(): Promise<number> {
  const removed = leaveProxiesOut();
  await configure({
    sinks: { console: getConsoleSink({ formatter: jsonLinesFormatter }) },
    loggers: [
      { category: 'portarium', lowestLevel: 'info', sinks: ['console'] },
      { category: ['logtape', 'meta'], lowestLevel: 'warning', sinks: ['console'] },
    ],
  });
  const log = getLogger(['portarium', 'sandbox']);
  const [role] = process.argv.slice(2);
  if (role !== 'serve') {
    log.error('unknown role; use: bun run sandbox/src/main.ts serve', { role });
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
    await serve(read.configuration, stop.signal);
    return 0;
  } catch (error) {
    log.error('the sandbox host stopped', { reason: error instanceof Error ? error.stack : error });
    return 1;
  }
}

process.exit(await main());
