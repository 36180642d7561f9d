/** A second sandbox host at a second replica: an identity of its own, the same database. */
import { INSTANCE_WORKSPACE } from '@portarium/contracts/ids';
import { newKey } from '../application/create-key.ts';
import { compose } from '../compose.ts';
import { ratesOf } from '../configuration.ts';
import { createApp } from '../http/app.ts';
import { callOf, type TestInstance } from './test-instance.ts';

/** What `as-host.ts` and `writes.ts` take for an instance; to be disposed before the first. */
export async function anotherHost(instance: TestInstance, name: string): Promise<TestInstance> {
  const { configuration, keys } = instance;
  const composed = await compose(configuration);
  const { context } = composed;
  const owner = 'bootstrap-sandbox-host';
  const made = newKey(context, { workspace: null, name, owner, role: 'sandbox-host' });
  const hash = await context.secrets.hash(made.secret);
  await context.store.submit(INSTANCE_WORKSPACE, (tx) => tx.insertKey(made.key, hash));
  const app = createApp(context, { required: {}, optional: {}, rates: ratesOf(configuration) });
  return {
    ...instance,
    composed,
    app,
    hostKey: made.token,
    call: callOf(app, keys),
    async [Symbol.asyncDispose]() {
      await composed.close();
    },
  };
}
