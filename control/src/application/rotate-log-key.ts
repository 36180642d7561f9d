/**
 * Hands the signing of checkpoints over to a new key. The handover is an entry in the log of the instance, signed
 * by both keys; then every log gets a checkpoint with both signatures, and the old private key is destroyed. Each
 * step may be cut off: `resumeRotation` goes on from there.
 */
import { getLogger } from '@logtape/logtape';
import { toBase64 } from '@portarium/contracts/base64';
import { checkpointOfNote } from '@portarium/contracts/checkpoint';
import { INSTANCE_WORKSPACE, type WorkspaceId } from '@portarium/contracts/ids';
import { parseRotationText, type Rotations, rotationText } from '@portarium/contracts/key-rotation';
import { noteText } from '@portarium/contracts/signed-note';
import * as v from 'valibot';
import { actorOf, type Caller, type Context } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import { logTree } from './log-tree.ts';
import type { LogKey } from './ports/outside.ts';
import { LogFrozenError } from './ports/workspace-store.ts';
import { entryOf } from './read-entries.ts';
import { sealHeld, sealLog } from './seal-log.ts';

const log = getLogger(['portarium', 'sealer']);

export const RotateLogKeySchema = v.strictObject({
  rationale: v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(2_000)),
});

export async function rotateLogKey(
  context: Context,
  caller: Caller,
  { rationale }: v.InferOutput<typeof RotateLogKeySchema>,
): Promise<Result<readonly LogKey[]>> {
  const { signer } = context;
  const refused = await context.logLock.hold(INSTANCE_WORKSPACE, async () => {
    if (signer.keys().some(({ state }) => state === 'retiring')) {
      return failure(
        'conflict',
        'The handover before is not done: some log has no checkpoint of both keys yet. Ask again in a minute.',
      );
    }
    // An entry more of the same handover would break the chain of keys for ever.
    if (await adoptNamed(context)) return undefined;
    const { from, to } = await signer.prepareNext();
    const statement = await statementOf(context, from, to);
    await context.sealerStore.submit(INSTANCE_WORKSPACE, async (tx) => {
      tx.append({
        type: 'log-key.rotated',
        actor: actorOf(caller),
        subject: {},
        data: { from, to, statement, by: caller.key.owner, rationale },
        trace: caller.trace,
      });
    });
    if (!(await adoptNamed(context))) throw new Error(`no entry hands over to ${to}`);
    return undefined;
  });
  if (refused) return refused;
  await finishRotation(context);
  return success(signer.keys());
}

/**
 * Adopts the next key if the log has its handover; under the lock of the instance's log.
 * @returns whether it did
 */
async function adoptNamed(context: Context): Promise<boolean> {
  const next = context.signer.keys().find(({ state }) => state === 'next');
  const at = next && (await handoverTime(context, next.verifierKey));
  if (at === undefined) return false;
  await context.signer.adoptNext(at);
  return true;
}

/** Current and next key about each other, over the log of the instance as it is now. */
async function statementOf(context: Context, from: string, to: string): Promise<string> {
  const record = await sealHeld(context, INSTANCE_WORKSPACE);
  const signed = record && checkpointOfNote(record.note);
  if (!signed) throw new Error('the log of the instance is empty');
  const { origin, size, root } = signed;
  return context.signer.signHandover(rotationText({ origin, size, root, from, to }));
}

/** The time of the entry that names `to`; undefined when there is none. */
async function handoverTime(context: Context, to: string): Promise<string | undefined> {
  const entries = await context.sealerStore.read(INSTANCE_WORKSPACE, (tx) => tx.keyRotations());
  return entries.map(({ bytes }) => entryOf(bytes)).find(({ data }) => data.to === to)?.time;
}

/** Goes on with a handover that a crash cut off; does nothing when there is none. */
export async function resumeRotation(context: Context): Promise<void> {
  const { signer } = context;
  // Without an entry nobody was handed over to: whoever asks for a rotation again takes that key.
  if (signer.keys().some(({ state }) => state === 'next')) {
    await context.logLock.hold(INSTANCE_WORKSPACE, () => adoptNamed(context));
  }
  if (signer.keys().some(({ state }) => state === 'retiring')) await finishRotation(context);
}

/** A checkpoint of both keys for every log; then the old one can be destroyed. */
async function finishRotation(context: Context): Promise<void> {
  const all = [
    INSTANCE_WORKSPACE,
    ...(await context.directory.listWorkspaces()).map(({ id }) => id),
  ];
  for (const workspace of all) {
    try {
      await overlap(context, workspace);
    } catch (error) {
      if (!(error instanceof LogFrozenError)) throw error;
      log.warn('{workspace} is frozen and gets no checkpoint of both keys', { workspace });
    }
  }
  await context.signer.retire();
  log.info('the log is signed by {key}', { key: context.signer.keys()[0]?.id });
}

/** The newest checkpoint of the log carries the signatures of all keys that sign. */
async function overlap(context: Context, workspace: WorkspaceId): Promise<void> {
  await context.logLock.hold(workspace, async () => {
    const record = await sealHeld(context, workspace);
    if (!record) return;
    const root = checkpointOfNote(record.note)?.root;
    if (!root) throw new Error(`the checkpoint of ${workspace} is malformed`);
    const note = await context.signer.sign(workspace, record.size, root);
    if (note === record.note) return;
    await context.sealerStore.submit(workspace, (tx) => tx.replaceNote(record.size, note));
  });
}

/** Every handover with its proofs under the newest checkpoint of the instance's log; undefined when there was none. */
export async function readRotations(context: Context): Promise<Rotations | undefined> {
  const count = context.signer.verifierKeys(INSTANCE_WORKSPACE).length;
  if (count < 2) return undefined;
  const record = await sealLog(context, INSTANCE_WORKSPACE).catch((error) => {
    // Proofs from a database that contradicts itself would prove nothing.
    if (error instanceof LogFrozenError) return undefined;
    throw error;
  });
  if (!record) return undefined;
  return context.store.read(INSTANCE_WORKSPACE, async (tx) => {
    const tree = logTree(tx, record.size);
    const text = (hashes: readonly Uint8Array[]) => hashes.map(toBase64);
    const rotations: Rotations['rotations'] = [];
    for (const { seq, bytes } of await tx.keyRotations()) {
      if (seq >= record.size) continue;
      const statement = String(entryOf(bytes).data.statement);
      const stated = parseRotationText(noteText(statement));
      rotations.push({
        entry: toBase64(bytes),
        inclusion: text(await tree.inclusion(seq)),
        consistency: text(await tree.consistency(stated?.size ?? 0)),
      });
    }
    return { v: 1, checkpoint: record.note, rotations };
  });
}
