/** What mutants are made of: bundles of one log, and what somebody who verifies them has kept. */
import { checkpointText } from '../checkpoint.ts';
import { leafHashes } from '../evidence-entry.ts';
import { PerfectSubtrees } from '../perfect-subtrees.ts';
import { signNote, verifierKey } from '../signed-note.ts';
import { type TestKey, testKey } from '../testing/test-key.ts';

export interface Material {
  /** The whole log. */
  readonly whole: Uint8Array;
  /** Ranges of it. */
  readonly ranges: readonly Uint8Array[];
  /** Single actions that have ended. */
  readonly actions: readonly Uint8Array[];
  /** The whole log as it was before: a backup. */
  readonly older: Uint8Array;
  /**
   * The verifier key to believe, and the origin that it signs for. It has handed over to the one that signs
   * now: bundles hold the handover.
   */
  readonly pin: string;
  readonly origin: string;
  /** The signed checkpoint of {@link whole}, which an auditor has kept. */
  readonly since: string;
  /** Signs with the log's own key: what whoever runs the log could do. */
  sign(size: number, root: Uint8Array): Promise<string>;
  /** Signs with the pinned key, which has handed over: what whoever kept a copy of it could do. */
  signBefore(size: number, root: Uint8Array): Promise<string>;
  /** A key of the same name that nobody believes. */
  readonly foreign: TestKey;
}

/** The signed note over all of these entries. */
export async function signedBy(
  entries: readonly Uint8Array[],
  sign: Material['sign'],
): Promise<string> {
  const tree = await PerfectSubtrees.over(await leafHashes(entries));
  return sign(tree.size, await tree.rootAt(tree.size));
}

/** Signs as the log does, with a key of one's own. */
export function signerOf(key: TestKey, origin: string): Material['sign'] {
  return (size, root) =>
    signNote(checkpointText({ origin, size, root }), key.name, key.privateKey, key.publicKey);
}

/** A key that bears `name` and is not the one that people pinned. */
export async function foreignKey(name: string): Promise<TestKey> {
  const key = await testKey(`${name}-somebody-else`);
  return { ...key, name, verifierKey: await verifierKey(name, key.publicKey) };
}
