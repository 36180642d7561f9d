/**
 * Rotation of the key that signs checkpoints: a signed note in which the old key names the new one and the new
 * key agrees, over the log of the instance as it was. Whoever pinned one of them reaches the other.
 */
import * as v from 'valibot';
import { fromBase64, toBase64 } from './base64.ts';

const FIRST_LINE = 'portarium/key-rotation/v1';

export interface RotationStatement {
  /** Of the instance's own log: `<instance>/_instance`. */
  readonly origin: string;
  /** Entries and root of that log just before. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** Verifier keys. */
  readonly from: string;
  readonly to: string;
}

/** What both keys sign: one line each, ending in a newline. */
export function rotationText({ origin, size, root, from, to }: RotationStatement): string {
  return `${[FIRST_LINE, origin, size, toBase64(root), from, to].join('\n')}\n`;
}

/** Strict: the inverse of {@link rotationText}, or undefined. */
export function parseRotationText(text: string): RotationStatement | undefined {
  const [first, origin = '', size = '', root = '', from = '', to = ''] = text.split('\n');
  const bytes = fromBase64(root);
  if (first !== FIRST_LINE || bytes?.length !== 32) return undefined;
  const statement = { origin, size: Number(size), root: bytes, from, to };
  if (!Number.isSafeInteger(statement.size) || statement.size < 0) return undefined;
  return rotationText(statement) === text ? statement : undefined;
}

const hashes = v.array(v.string());

/** `log/rotations.json` of a bundle: every rotation there was, the oldest first, with proofs. */
export const RotationsSchema = v.strictObject({
  v: v.literal(1),
  /** A checkpoint of the instance's log that holds them all, signed by the newest key. */
  checkpoint: v.string(),
  rotations: v.array(
    v.strictObject({
      /** Base64 of the exact bytes of the entry `log-key.rotated`. */
      entry: v.string(),
      /** Base64 each: that the entry is in the checkpoint's tree. */
      inclusion: hashes,
      /** Base64 each: that what the statement names is the beginning of that tree. */
      consistency: hashes,
    }),
  ),
});
export type Rotations = v.InferOutput<typeof RotationsSchema>;
