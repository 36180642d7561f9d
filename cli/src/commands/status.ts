/** `portarium status`: tells the state of each part. No side effects. */
import { frozenLogAt } from '@portarium/local/frozen-log';
import { readStatus, type StackStatus } from '@portarium/local/running-stack';
import type { Command } from 'commander';
import { type DataOption, dataDirOf, dataOption } from '../data-option.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { print, printJson, table } from '../output.ts';

interface StatusOptions extends DataOption {
  readonly json?: true;
}

export function registerStatus(program: Command): void {
  program
    .command('status')
    .description(
      "tell each part's state, process, port and restarts; exit code 0 when every part is ready and no log is frozen, else 1",
    )
    .addOption(dataOption())
    .option('--json', 'print one line {state, url, version, dataDir, supervisor, parts}')
    .action(async (options: StatusOptions) => {
      process.exitCode = await status(options);
    });
}

async function status(options: StatusOptions): Promise<number> {
  const read = readStatus(dataDirOf(options));
  const frozen = read.url === undefined ? undefined : await frozenLogAt(read.url);
  const found = {
    ...read,
    state: shownState(read),
    ...(frozen === undefined ? {} : { evidenceLog: frozen }),
  };
  if (options.json === true) {
    printJson(found);
  } else {
    print(`${found.state}${found.url === undefined ? '' : ` at ${found.url}`}  (${found.dataDir})`);
    const rows = found.parts.map((part) => [
      part.part,
      part.state,
      part.pid === undefined ? '-' : String(part.pid),
      String(part.port),
      String(part.restarts),
      part.detail ?? '',
    ]);
    if (rows.length > 0) print(table([['PART', 'STATE', 'PID', 'PORT', 'RESTARTS', ''], ...rows]));
    if (found.error !== undefined) print(found.error);
    if (frozen !== undefined) {
      print(`evidence log: ${frozen}. portarium evidence recover --dry-run says more.`);
    }
  }
  return found.state === 'ready' && frozen === undefined ? EXIT_CODES.ok : EXIT_CODES.failed;
}

/** `degraded` when the stack is up and one of its parts is not, such as while it is restarted. */
function shownState({ state, parts }: StackStatus): StackStatus['state'] | 'degraded' {
  return state === 'ready' && parts.some((part) => part.state !== 'ready') ? 'degraded' : state;
}
