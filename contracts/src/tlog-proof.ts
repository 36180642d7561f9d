/** Offline proofs that one entry is in a log (C2SP tlog-proof, version 1). Checks form only. */
import { fromBase64, toBase64 } from './base64.ts';

const FIRST_LINE = 'c2sp.org/tlog-proof@v1';
/** A tree of 2^53 leaves has proofs no longer than that. */
const MAX_HASHES = 53;

export interface TlogProof {
  /** Zero-based; an entry's `seq`. */
  readonly index: number;
  /** 32 bytes each, from the leaf upwards. */
  readonly hashes: readonly Uint8Array[];
  /** The signed note that the log issued, verbatim. */
  readonly checkpoint: string;
}

export function tlogProofText(proof: TlogProof): string {
  const hashes = proof.hashes.map((hash) => `${toBase64(hash)}\n`).join('');
  return `${FIRST_LINE}\nindex ${proof.index}\n${hashes}\n${proof.checkpoint}`;
}

/** Strict and without the optional extra line, which nothing vouches for. */
export function parseTlogProof(text: string): TlogProof | undefined {
  const split = text.indexOf('\n\n');
  if (split < 0) return undefined;
  const [first, indexLine, ...lines] = text.slice(0, split).split('\n');
  const index = /^index (0|[1-9]\d{0,15})$/.exec(indexLine ?? '')?.[1];
  if (first !== FIRST_LINE || index === undefined || lines.length > MAX_HASHES) return undefined;
  const hashes: Uint8Array[] = [];
  for (const line of lines) {
    const hash = fromBase64(line);
    if (hash?.length !== 32) return undefined;
    hashes.push(hash);
  }
  return { index: Number(index), hashes, checkpoint: text.slice(split + 2) };
}
