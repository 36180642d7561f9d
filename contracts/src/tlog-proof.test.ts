import { expect, test } from 'bun:test';
import { parseTlogProof, tlogProofText } from './tlog-proof.ts';

const CHECKPOINT = 'example.com/log\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— a b\n';
const hashes = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];

test('a proof has the lines of the specification, the checkpoint last and verbatim', () => {
  const text = tlogProofText({ index: 2, hashes, checkpoint: CHECKPOINT });
  expect(text).toBe(
    'c2sp.org/tlog-proof@v1\nindex 2\n' +
      'AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n' +
      'AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\n' +
      `\n${CHECKPOINT}`,
  );
  expect(parseTlogProof(text)).toEqual({ index: 2, hashes, checkpoint: CHECKPOINT });
});

test('the only entry of a log has a proof without hashes', () => {
  const text = tlogProofText({ index: 0, hashes: [], checkpoint: CHECKPOINT });
  expect(parseTlogProof(text)).toEqual({ index: 0, hashes: [], checkpoint: CHECKPOINT });
});

test('malformed proofs are refused', () => {
  const text = tlogProofText({ index: 2, hashes, checkpoint: CHECKPOINT });
  for (const broken of [
    '',
    text.replace('@v1', '@v2'),
    text.replace('index 2', 'index 02'),
    text.replace('index 2', 'index -2'),
    text.replace('index 2', 'extra AA==\nindex 2'),
    text.replace('AQEB', 'AQE'),
    text.replace('AgI=', 'AgJ='),
    text.slice(0, 60),
  ]) {
    expect(parseTlogProof(broken)).toBeUndefined();
  }
});
