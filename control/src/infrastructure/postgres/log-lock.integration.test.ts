import { expect, test } from 'bun:test';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { sharedServices } from '@portarium/local/testing/shared-services';
import { connect } from './connect.ts';
import { createLogLock } from './log-lock.ts';

const WS = 'locked' as WorkspaceId;
/** More than a lock has connections. */
const LOSSES = 6;

test('a lock whose connection was lost while it was held is got again, as often as that happens', async () => {
  const { postgres } = await sharedServices();
  const owner = connect(postgres.ownerUrl, { max: 1, name: 'test' });
  const lock = createLogLock(postgres.ownerUrl, 'keep');
  try {
    for (let i = 0; i < LOSSES; i++) {
      await lock.hold(WS, async () => {
        const lost =
          await owner`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'portarium-keep-lock'`;
        expect(lost.length).toBe(1);
        // Until the driver has seen it.
        await new Promise((resolve) => setTimeout(resolve, 100));
      });
    }
    let at = 0;
    const held = Array.from({ length: 8 }, (_, i) =>
      lock.hold(`${WS}-${i}` as WorkspaceId, async () => {
        at += 1;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }),
    );
    await Promise.all(held);
    expect(at).toBe(8);
  } finally {
    await lock.close();
    await owner.end();
  }
}, 30_000);
