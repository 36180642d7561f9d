/** Whether a stack runs on a data folder, and which port it has or would get. Reads only. */
import * as v from 'valibot';
import { readJsonFile } from './atomic-file.ts';
import { dataFolderAt } from './data-folder.ts';
import type { LocalEnvironment } from './environment.ts';
import { broken, type Finding, fine, lacking } from './finding.ts';
import { isPortFree, PREFERRED_HTTP_PORT } from './free-ports.ts';
import { frozenLogAt } from './frozen-log.ts';
import { readStatus, type StackStatus } from './running-stack.ts';

/** Findings `stack` and `port …`, and `evidence log` when a running stack has frozen ones. */
export async function examineStack(
  dataDir: string,
  environment: LocalEnvironment,
): Promise<readonly Finding[]> {
  const status = readStatus(dataDir);
  return [
    stackFinding(status),
    await portFinding(status, environment),
    ...(await evidenceFindings(status)),
  ];
}

async function evidenceFindings({ url, supervisor }: StackStatus): Promise<readonly Finding[]> {
  const said = url === undefined || supervisor === undefined ? undefined : await frozenLogAt(url);
  if (said === undefined) return [];
  const fix =
    'Look at each: portarium evidence recover --dry-run --workspace W (docs/how-to/recover-a-log.md)';
  return [broken('evidence log', `${said}: the database contradicts what was signed`, fix)];
}

function stackFinding({ dataDir, state, supervisor, url, parts, error }: StackStatus): Finding {
  const name = 'stack';
  const down = `portarium down --data ${dataDir}`;
  if (supervisor === undefined) {
    const left = parts.filter(({ pid }) => pid !== undefined);
    if (left.length > 0) {
      const which = left.map(({ part, pid }) => `${part} (${pid})`).join(', ');
      return lacking(
        name,
        `its supervisor was killed, and ${which} still run`,
        `The next start ends them first, and so does: ${down}`,
      );
    }
    if (state === 'failed') {
      const why = error?.split('\n')[0] ?? 'no reason was kept';
      const log = `${dataDir}/logs`;
      return lacking(
        name,
        `the last start failed: ${why}`,
        `The whole reason: portarium status --data ${dataDir}; logs are in ${log}`,
      );
    }
    return fine(name, 'none runs on this data folder');
  }
  const notReady = parts.filter((part) => part.state !== 'ready');
  if (state !== 'ready') return fine(name, `${state} (process ${supervisor.pid})`);
  if (notReady.length === 0) return fine(name, `runs at ${url} (process ${supervisor.pid})`);
  return broken(
    name,
    `runs at ${url}, but ${notReady.map((part) => `${part.part} is ${part.state}`).join(', ')}`,
    `Parts that ended are started again; why one does is in ${dataDir}/logs/${notReady[0]?.part}.log`,
  );
}

const KeptPortsSchema = v.object({ http: v.number() });

/** The port of the stack that runs; else the one that its next start takes when it is free. */
async function portFinding(
  { dataDir, url, supervisor }: StackStatus,
  environment: LocalEnvironment,
): Promise<Finding> {
  if (supervisor !== undefined) {
    return url === undefined
      ? fine('port', 'a stack on this data folder is starting or stopping')
      : fine(`port ${new URL(url).port || 80}`, `used by the stack on this data folder, at ${url}`);
  }
  const configured = environment.httpPort !== undefined;
  const kept = readJsonFile(dataFolderAt(dataDir).ports, KeptPortsSchema)?.http;
  const port = environment.httpPort ?? kept ?? PREFERRED_HTTP_PORT;
  const name = `port ${port}`;
  if (await isPortFree(port)) {
    const usual = kept === undefined ? 'the default' : 'that of the last start';
    return fine(name, `free (${configured ? 'PORTARIUM_HTTP_PORT' : usual})`, configured);
  }
  return configured
    ? broken(name, 'taken', 'Stop what listens there, or set PORTARIUM_HTTP_PORT to another port.')
    : fine(name, 'taken; the next start chooses another one');
}
