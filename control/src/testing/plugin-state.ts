/** Sets what no operation of the API sets yet: as the owner of the tables, behind everybody's back. */
import { connect } from '../infrastructure/postgres/connect.ts';
import type { TestInstance } from './test-instance.ts';

/** Of one version of the plugin `ledger` in the workspace `local`, or of all. */
export async function setPluginState(
  instance: TestInstance,
  state: 'active' | 'quarantined',
  version?: string,
): Promise<void> {
  const owner = connect(instance.ownerUrl, { max: 1, name: 'test' });
  await owner.begin(async (tx) => {
    await tx`SELECT set_config('portarium.workspace', 'local', true)`;
    await tx`UPDATE portarium.plugins SET state = ${state} WHERE name = 'ledger' AND (${version ?? null}::text IS NULL OR version = ${version ?? null})`;
  });
  await owner.end();
}
