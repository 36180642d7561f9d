/**
 * Entry of the background supervisor that `up --detach` starts. Its output is the supervisor log;
 * it stops the stack on SIGTERM and SIGINT.
 */
import { parseArgs } from 'node:util';
import { LocalStackError, messageOf } from './local-stack-error.ts';
import { outsideOf } from './outside.ts';
import type { ProgressEvent } from './progress.ts';
import { EXIT_ALREADY_RUNNING } from './start-detached.ts';
import { startStack } from './start-stack.ts';

function note(text: string): void {
  process.stdout.write(`${new Date().toISOString()} ${text}\n`);
}

function describe(event: ProgressEvent): string {
  const ms = event.ms === undefined ? '' : ` (${event.ms} ms)`;
  return `${event.part}: ${event.state}${ms}${event.detail === undefined ? '' : ` ${event.detail}`}`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      'http-port': { type: 'string' },
      listen: { type: 'string' },
      'tls-cert': { type: 'string' },
      'tls-key': { type: 'string' },
      'behind-proxy': { type: 'boolean' },
    },
  });
  if (values.data === undefined) {
    note('supervisor-main needs --data DIR');
    return 2;
  }
  const stop = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      process.on(signal, () => {
        note(`${signal}: stopping`);
        stop.abort();
        resolve();
      });
    }
  });
  try {
    const stack = await startStack({
      dataDir: values.data,
      onProgress: (event) => note(describe(event)),
      signal: stop.signal,
      background: true,
      outside: outsideOf({
        listen: values.listen,
        tlsCert: values['tls-cert'],
        tlsKey: values['tls-key'],
        behindProxy: values['behind-proxy'],
      }),
      ...(values['http-port'] === undefined
        ? {}
        : { ports: { http: Number(values['http-port']) } }),
    });
    note(`ready at ${stack.url}`);
    await stopped;
    await stack.stop();
    note('stopped');
    return 0;
  } catch (error) {
    note(messageOf(error));
    const held = error instanceof LocalStackError && error.code === 'already-running';
    return held ? EXIT_ALREADY_RUNNING : 1;
  }
}

process.exit(await main());
