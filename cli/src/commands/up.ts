/**
 * `portarium up`: starts the embedded stack. Side effects: writes the data folder, starts processes
 * on loopback ports, may install server binaries into the cache.
 */
import { claimFirstShowing } from '@portarium/local/bootstrap-file';
import { messageOf } from '@portarium/local/local-stack-error';
import { type Outside, type OutsideOptions, outsideOf } from '@portarium/local/outside';
import type { StackConnection } from '@portarium/local/running-stack';
import { startDetached } from '@portarium/local/start-detached';
import { startStack } from '@portarium/local/start-stack';
import { type Command, InvalidArgumentError } from 'commander';
import { type DataOption, dataDirOf, dataOption } from '../data-option.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { onTermination } from '../on-termination.ts';
import { print, printJson, table, tell } from '../output.ts';
import { progressLines } from '../progress-lines.ts';
import { UsageError } from '../usage-error.ts';

interface UpOptions extends DataOption, OutsideOptions {
  readonly detach?: true;
  readonly json?: true;
  readonly port?: number;
}

export function registerUp(program: Command): void {
  program
    .command('up')
    .description('start the embedded stack and keep it running until Ctrl-C')
    .addOption(dataOption())
    .option('--detach', 'return once it is ready; it goes on in the background')
    .option('--port <number>', 'port of the Control Plane (default: 3000 when free)', parsePort)
    .option(
      '--listen <address[:port]>',
      'let callers on other machines in; with --tls-cert and --tls-key, or --behind-proxy',
    )
    .option('--tls-cert <file>', 'certificate chain of that address, in PEM (with --tls-key)')
    .option('--tls-key <file>', 'its key, in PEM')
    .option('--behind-proxy', 'a proxy in front of that address speaks TLS')
    .option('--json', 'print one line {url, workspace, keys, dataDir, version} once ready')
    .action(async (options: UpOptions) => {
      process.exitCode =
        options.detach === true ? await detached(options) : await attached(options);
    });
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) {
    throw new InvalidArgumentError('Expected a port number from 1 to 65535.');
  }
  return port;
}

/** @throws UsageError that says what belongs together */
function wantedOutside(options: UpOptions): Outside | undefined {
  try {
    return outsideOf(options);
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

async function attached(options: UpOptions): Promise<number> {
  const { signal, asked } = onTermination();
  const stack = await startStack({
    dataDir: dataDirOf(options),
    onProgress: progressLines(),
    signal,
    outside: wantedOutside(options),
    ...(options.port === undefined ? {} : { ports: { http: options.port } }),
  });
  show(stack, options);
  if (options.json !== true) tell('Ctrl-C stops it.');
  await asked;
  await stack.stop();
  return EXIT_CODES.ok;
}

async function detached(options: UpOptions): Promise<number> {
  const stack = await startDetached({
    dataDir: dataDirOf(options),
    onProgress: progressLines(),
    signal: onTermination().signal,
    outside: wantedOutside(options),
    ...(options.port === undefined ? {} : { httpPort: options.port }),
  });
  show(stack, options);
  return EXIT_CODES.ok;
}

/** Keys are shown to people once, at the first start; scripts get them each time. */
function show(stack: StackConnection, options: UpOptions): void {
  const { url, workspace, keys, dataDir, version } = stack;
  if (options.json === true) {
    printJson({ url, workspace, keys, dataDir, version });
    return;
  }
  print(`Portarium ${version} is ready at ${url}`);
  const outside = wantedOutside(options);
  if (outside)
    print(
      `Other machines reach it at ${outside.listen}${outside.tls ? ', over TLS' : ', through your proxy'}`,
    );
  print(`Workspace ${workspace}, data in ${dataDir}`);
  print('The console: portarium console prints a link that signs in.');
  if (claimFirstShowing(dataDir)) {
    print('Keys, shown once (kept in bootstrap.json of the data folder):');
    print(table(Object.entries(keys).map(([role, key]) => [`  ${role}`, key])));
  }
}
