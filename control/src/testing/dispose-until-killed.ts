/**
 * A disposal in a process of its own that ends itself by SIGKILL at one step: `seal`, before the order is sealed;
 * `remove N`, before the Nth removal; `finish`, before its end is told. The environment is that of the Control Plane. For
 * tests only.
 */
import { dispose } from '../application/dispose.ts';
import { compose } from '../compose.ts';
import { readConfiguration } from '../configuration.ts';
import { LOCAL, short } from './keep-and-dispose.ts';

const [what = '', count = '1'] = process.argv.slice(2);
let left = Number(count);

function step(name: string): void {
  if (name !== what) return;
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
}

const { context } = await compose(readConfiguration(process.env), undefined, short);
const keys = await context.directory.listKeys(null);
const key = keys.find(({ role }) => role === 'admin');
if (!key) throw new Error('no admin');
let ordered = false;
const killed: typeof context = {
  ...context,
  objects: {
    ...context.objects,
    async remove(...args) {
      step('remove');
      return context.objects.remove(...args);
    },
  },
  logLock: {
    hold(...args) {
      step('seal');
      return context.logLock.hold(...args);
    },
  },
  destroyStore: {
    read: (...args) => context.destroyStore.read(...args),
    submit(...args) {
      if (ordered) step('finish');
      ordered = true;
      return context.destroyStore.submit(...args);
    },
  },
};
const wanted = { dryRun: false, reason: 'it will be killed', limit: 400, after: undefined };
await dispose(killed, { key, trace: '0'.repeat(32) }, LOCAL, wanted);
console.log('disposed');
process.exit(0);
