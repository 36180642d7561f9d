import { expect, test } from 'bun:test';
import { checkpointText, parseCheckpoint } from './checkpoint.ts';

/** The body that stands as the example in C2SP tlog-checkpoint. */
const EXAMPLE =
  'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n';

test('the example of the specification parses and is written back the same', () => {
  const checkpoint = parseCheckpoint(EXAMPLE);
  expect(checkpoint).toMatchObject({ origin: 'example.com/behind-the-sofa', size: 20_852_163 });
  expect(checkpoint && checkpointText(checkpoint)).toBe(EXAMPLE);
});

test('anything but the three lines is refused', () => {
  for (const text of [
    '',
    EXAMPLE.slice(0, -1),
    `${EXAMPLE}extension\n`,
    EXAMPLE.replace('20852163', '020852163'),
    EXAMPLE.replace('20852163', '-1'),
    EXAMPLE.replace('20852163', '1e3'),
    EXAMPLE.replace('20852163', '9007199254740993'),
    EXAMPLE.replace('20852163', ' 20852163'),
    EXAMPLE.replace('example.com/behind-the-sofa', ''),
    EXAMPLE.replace('q2I=', 'q2J='),
    EXAMPLE.replace('CsUY', ''),
    EXAMPLE.replaceAll('\n', '\r\n'),
  ]) {
    expect(parseCheckpoint(text)).toBeUndefined();
  }
});

test('a checkpoint that could not be read back is not written', () => {
  const root = new Uint8Array(32);
  expect(() => checkpointText({ origin: 'a\nb', size: 1, root })).toThrow(RangeError);
  expect(() => checkpointText({ origin: 'a', size: -1, root })).toThrow(RangeError);
  expect(() => checkpointText({ origin: 'a', size: 1, root: new Uint8Array(3) })).toThrow(
    RangeError,
  );
});
