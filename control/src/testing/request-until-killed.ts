/**
 * A Control Plane in a process of its own that ends itself by SIGKILL while it answers one request for an action.
 * Its arguments: the key, the idempotency key, what is killed at (`put` or `commit`), when (`before`, `during`, `after`)
 * and at which of them; the environment is that of the Control Plane. For tests only.
 */
import { compose } from '../compose.ts';
import { ratesOf, readConfiguration } from '../configuration.ts';
import { createApp } from '../http/app.ts';
import { callOf } from './test-instance.ts';

const [key = '', idempotencyKey = '', what = '', when = '', count = '1'] = process.argv.slice(2);
let left = Number(count);

function step(name: string, at: string): void {
  if (name !== what || at !== when) return;
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
}

async function stepped<T>(name: string, work: () => Promise<T>): Promise<T> {
  step(name, 'before');
  const running = work();
  step(name, 'during');
  const done = await running;
  step(name, 'after');
  return done;
}

const configuration = readConfiguration(process.env);
const { context } = await compose(configuration);
const app = createApp(
  {
    ...context,
    objects: {
      ...context.objects,
      put: (...args) => stepped('put', () => context.objects.put(...args)),
    },
    store: {
      read: (...args) => context.store.read(...args),
      submit: (...args) => stepped('commit', () => context.store.submit(...args)),
    },
  },
  { required: {}, optional: {}, rates: ratesOf(configuration) },
);
const answer = await callOf(app, {})('POST', '/v1/workspaces/local/actions', {
  key,
  json: { plugin: 'echo', operation: 'echo', input: { text: idempotencyKey } },
  headers: { 'idempotency-key': idempotencyKey },
});
console.log(answer.status);
process.exit(0);
