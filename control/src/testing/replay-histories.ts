/**
 * Replays recorded histories with bundled workflow code, on whatever runtime this is started:
 * `replay-histories.ts BUNDLE FOLDER` prints `{"replayed": [names]}` or ends with code 1.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';

const [, , bundle = '', folder = ''] = process.argv;
Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
const code = await readFile(bundle, 'utf8');
const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
for (const name of names) {
  const history = historyFromJSON(JSON.parse(await readFile(join(folder, name), 'utf8')));
  await Worker.runReplayHistory({ workflowBundle: { code } }, history, name);
}
console.log(JSON.stringify({ replayed: names }));
process.exit(0);
