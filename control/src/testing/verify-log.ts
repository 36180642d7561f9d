/** The evidence as an auditor has it: exported, and verified offline under the pinned key. */
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import type { VerifyReport } from '@portarium/contracts/verify-report';
import type { TestInstance } from './test-instance.ts';

/** @param action the only one that is exported; without it, the whole log */
export async function verifyLog(instance: TestInstance, action?: string): Promise<VerifyReport> {
  const read = (path: string) =>
    instance.call('GET', `/v1/workspaces/local/evidence/${path}`, { role: 'auditor' });
  const query = action === undefined ? '' : `?action=${action}`;
  const bundle = new Uint8Array(await (await read(`export${query}`)).arrayBuffer());
  const [pin = ''] = (await (await read('vkeys')).text()).split('\n');
  return verifyBundle(bundle, { pin });
}
