/** Checkpoints (C2SP tlog-checkpoint): the text that a log signs about its size and root. */
import { fromBase64, toBase64 } from './base64.ts';
import { noteText } from './signed-note.ts';

export interface Checkpoint {
  /** `<instance>/<workspace>`. */
  readonly origin: string;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/**
 * The text to sign: `<origin>\n<size>\n<base64 of the root>\n`.
 * @throws RangeError when a part has no checkpoint form
 */
export function checkpointText(checkpoint: Checkpoint): string {
  const text = `${checkpoint.origin}\n${checkpoint.size}\n${toBase64(checkpoint.root)}\n`;
  if (!parseCheckpoint(text)) {
    throw new RangeError(`no checkpoint can say ${JSON.stringify(text)}`);
  }
  return text;
}

/** Strict: no leading zeros, no extension lines, nothing after the root. Undefined when malformed. */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  const [origin, size, root, end, ...rest] = text.split('\n');
  if (origin === undefined || size === undefined || root === undefined) return undefined;
  if (end !== '' || rest.length > 0) return undefined;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (origin === '' || !origin.isWellFormed() || /[\u0000-\u001f\u007f]/.test(origin)) {
    return undefined;
  }
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) return undefined;
  const bytes = fromBase64(root);
  return bytes?.length === 32 ? { origin, size: Number(size), root: bytes } : undefined;
}

/** The checkpoint that a signed note holds, whoever signed it; undefined when it holds none. */
export function checkpointOfNote(note: string): Checkpoint | undefined {
  return parseCheckpoint(noteText(note));
}
