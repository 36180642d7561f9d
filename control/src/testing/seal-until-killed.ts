/**
 * A sealer in a process of its own that ends itself by SIGKILL at one step of its work, as a power cut would. Its
 * arguments: the workspace, the step (`PATH-PREFIX before|after COUNT`, or `cas before|after COUNT`); the
 * environment is that of the Control Plane. For tests only.
 */
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { SealContext } from '../application/seal-log.ts';
import { sealLog } from '../application/seal-log.ts';
import { compose } from '../compose.ts';
import { readConfiguration } from '../configuration.ts';

const [workspace = '', what = '', when = '', count = '1'] = process.argv.slice(2);
let left = Number(count);

function step(name: string, at: string): void {
  if (!name.startsWith(what) || at !== when) return;
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
}

const { context } = await compose(readConfiguration(process.env));
const killed: SealContext = {
  ...context,
  objects: {
    ...context.objects,
    async putLog(...args) {
      step(args[1], 'before');
      const put = context.objects.putLog(...args);
      step(args[1], 'during');
      await put;
      step(args[1], 'after');
    },
  },
  sealerStore: {
    read: (...args) => context.sealerStore.read(...args),
    submit: (of, unit) =>
      context.sealerStore
        .submit(of, async (tx) => {
          const value = await unit({
            ...tx,
            async replaceCheckpoint(...args) {
              step('cas', 'before');
              const replaced = await tx.replaceCheckpoint(...args);
              step('cas', 'during');
              return replaced;
            },
            async markStored(...args) {
              step('mark', 'before');
              await tx.markStored(...args);
            },
          });
          return value;
        })
        .then((value) => {
          step('cas', 'after');
          return value;
        }),
  },
};
await sealLog(killed, workspace as WorkspaceId, { keep: true });
console.log('sealed');
process.exit(0);
