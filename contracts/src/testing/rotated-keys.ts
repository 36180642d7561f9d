/** Handovers of the key that signs, as an instance makes them, or as a liar would. For tests only. */
import { toBase64 } from '../base64.ts';
import { checkpointText } from '../checkpoint.ts';
import { INSTANCE_WORKSPACE } from '../ids.ts';
import { type Rotations, rotationText } from '../key-rotation.ts';
import { merkleRoot } from '../merkle.ts';
import { cosignNote, signNote } from '../signed-note.ts';
import { TileTree, tilesOf } from '../tile-tree.ts';
import { INSTANCE } from './honest-log.ts';
import { LogBuilder } from './log-builder.ts';
import type { TestKey } from './test-key.ts';

export interface Lie {
  /** Who signs a statement instead of the old key, or of the new one. */
  readonly oldSigner?: TestKey;
  readonly newSigner?: TestKey;
  /** Only one of the two signs. */
  readonly without?: 'old' | 'new';
  readonly origin?: string;
  /** Who signs the checkpoint of the instance's log. */
  readonly checkpointBy?: TestKey;
  /** Of another instance than the tests'. */
  readonly instance?: string;
  /** Another root than that of the instance's log. */
  readonly root?: Uint8Array;
}

/**
 * @param keys each hands over to the next
 * @param seqs where in the instance's log each handover stands; its time is 7 ms a `seq` after the log began
 */
export async function rotationsOf(
  keys: readonly TestKey[],
  seqs: readonly number[],
  lie: Lie = {},
): Promise<Rotations> {
  const log = new LogBuilder(INSTANCE_WORKSPACE);
  const own = `${lie.instance ?? INSTANCE}/${INSTANCE_WORKSPACE}`;
  const sizes: number[] = [];
  for (const [i, seq] of seqs.entries()) {
    while (log.entries.length < seq) {
      await log.append({ type: 'key.created', subject: {}, data: {} });
    }
    const [from, to] = [keys[i], keys[i + 1]];
    if (!from || !to) throw new RangeError('a handover needs two keys');
    const size = log.entries.length;
    sizes.push(size);
    const root = lie.root ?? (await merkleRoot(await log.leaves()));
    const { origin = own } = lie;
    const text = rotationText({ origin, size, root, from: from.verifierKey, to: to.verifierKey });
    await log.append({
      type: 'log-key.rotated',
      subject: {},
      data: {
        ...{ from: from.verifierKey, to: to.verifierKey, by: 'ada', rationale: 'yearly' },
        statement: await statement(text, lie.oldSigner ?? from, lie.newSigner ?? to, lie.without),
      },
    });
  }
  await log.append({ type: 'key.created', subject: {}, data: {} });
  const leaves = await log.leaves();
  const tree = new TileTree(leaves.length, tilesOf(leaves));
  const newest = lie.checkpointBy ?? keys.at(-1);
  if (!newest) throw new RangeError('no key');
  const signed = checkpointText({ origin: own, size: leaves.length, root: await tree.root() });
  const text = (hashes: readonly Uint8Array[]) => hashes.map(toBase64);
  const rotations: Rotations['rotations'] = [];
  for (const [i, seq] of seqs.entries()) {
    rotations.push({
      entry: toBase64(log.entries[seq] ?? new Uint8Array()),
      inclusion: text(await tree.inclusion(seq)),
      consistency: text(await tree.consistency(sizes[i] ?? 0)),
    });
  }
  const checkpoint = await signNote(signed, newest.name, newest.privateKey, newest.publicKey);
  return { v: 1, checkpoint, rotations };
}

async function statement(
  text: string,
  from: TestKey,
  to: TestKey,
  without: Lie['without'],
): Promise<string> {
  const [first, second] = without === 'old' ? [to] : without === 'new' ? [from] : [from, to];
  const note = await signNote(
    text,
    first?.name ?? '',
    (first ?? from).privateKey,
    (first ?? from).publicKey,
  );
  return second ? cosignNote(note, second.name, second.privateKey, second.publicKey) : note;
}
