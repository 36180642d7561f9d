/** Makes holds and retention what restored entries say, so that nothing is disposed of that they keep. */
import { ENTRY_DATA_SCHEMAS } from '@portarium/contracts/entry-data';
import type { Entry } from '@portarium/contracts/evidence-entry';
import type { KeyId } from '@portarium/contracts/ids';
import * as v from 'valibot';
import type { WriteTransaction } from './ports/workspace-store.ts';

/** @param entries in the order of the log; those whose rows are there already change nothing */
export async function replayKeep(tx: WriteTransaction, entries: readonly Entry[]): Promise<void> {
  for (const entry of entries) {
    const { type, data, time } = entry;
    const by = entry.actor.id as KeyId;
    if (type === 'hold.placed') {
      const { hold: id, scope, reason } = v.parse(ENTRY_DATA_SCHEMAS[type], data);
      const known = await tx.findHold(id);
      if (!known) await tx.insertHold({ id, scope, reason, placedBy: by, placedAt: time });
    } else if (type === 'hold.lifted') {
      const { hold: id, reason } = v.parse(ENTRY_DATA_SCHEMAS[type], data);
      await tx.liftHold(id, { by, at: time, reason });
    } else if (type === 'retention.lengthened') {
      const { days, revision } = v.parse(ENTRY_DATA_SCHEMAS[type], data);
      const { operational, compliance, forensic } = days;
      const before = await tx.lockWorkspaceRetention();
      if (revision <= before.revision) continue;
      await tx.putWorkspaceRetention({ operational, compliance, forensic }, by, time);
    }
  }
}
