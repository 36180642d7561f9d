import { expect, test } from 'bun:test';
import { type ReplayLine, replayText } from './replay-text.ts';

const ABOUT = { action: 'act_1', attempt: 'att_1', number: 1, verdict: 'succeeded' };
const summary = (over: object): ReplayLine => {
  return { ok: false, attempts: 3, findings: 0, notReplayable: 0, bundle: 'verified', ...over };
};

test('an attempt that agrees takes one line, whatever the number of engines', () => {
  const agrees = { status: 'agrees', calls: 2, outputDigest: 'sha256:ab', ms: 40 } as const;
  const both = [
    { ...agrees, engine: 'bun' },
    { ...agrees, engine: 'deno' },
  ] as const;
  expect(replayText({ ...ABOUT, results: [...both] })).toBe(
    'attempt 1 att_1 agrees on Bun (JavaScriptCore) and Deno (V8): 2 calls, output sha256:ab',
  );
  const lost = { status: 'agrees', calls: 1, ms: 40, engine: 'deno' } as const;
  expect(replayText({ ...ABOUT, verdict: 'lost', results: [lost] })).toBe(
    'attempt 1 att_1 agrees on Deno (V8): 1 call, lost',
  );
});

test('a difference names the engine and the first differing call, and hides no character', () => {
  const finding = { kind: 'call', call: 1, message: 'asked for GET http://a.test/\u001b[2J' };
  const results = [
    { status: 'agrees', calls: 2, ms: 40, engine: 'bun' },
    { status: 'differs', calls: 1, ms: 40, engine: 'deno', finding },
  ] as const;
  expect(replayText({ ...ABOUT, results: [...results] })).toBe(
    'attempt 1 att_1 agrees on Bun (JavaScriptCore): 2 calls, succeeded\n' +
      'attempt 1 att_1 DIFFERS on Deno (V8): call 1: asked for GET http://a.test/\\u001b[2J',
  );
});

test('what can not be replayed says why', () => {
  expect(replayText({ ...ABOUT, results: [], reason: 'the input was left out' })).toBe(
    'attempt 1 att_1 can not be replayed: the input was left out',
  );
  const result = { status: 'not-replayable', engine: 'bun', ms: 3, reason: 'lost' } as const;
  expect(replayText({ ...ABOUT, results: [result] })).toBe(
    'attempt 1 att_1 can not be replayed on Bun (JavaScriptCore): lost',
  );
});

test('an attempt that failed agrees by its same end, which is told in words', () => {
  const agrees = { status: 'agrees', calls: 2, ms: 40, engine: 'bun' } as const;
  expect(replayText({ ...ABOUT, verdict: 'outcome.unknown', results: [agrees] })).toContain(
    '2 calls, and the same end, outcome.unknown (A write was sent and its answer was not seen)',
  );
});

test('the summary counts, and says what it rests on', () => {
  expect(replayText(summary({ attempts: 1, ok: true }))).toBe(
    'The attempt agrees. The bundle is verified.',
  );
  expect(replayText(summary({ attempts: 1, findings: 1 }))).toStartWith('The attempt differs. ');
  expect(replayText(summary({ ok: true }))).toBe('Of 3 attempts, 3 agree. The bundle is verified.');
  expect(replayText(summary({ findings: 1, notReplayable: 1, bundle: 'unpinned' }))).toBe(
    'Of 3 attempts, 1 agree, 1 differ, 1 can not be replayed. The bundle contradicts nothing, but no key was pinned: --pin KEY (portarium evidence key prints it).',
  );
  expect(replayText(summary({ attempts: 0, reason: 'log.leaf: changed' }))).toBe(
    'Nothing was replayed: log.leaf: changed',
  );
});
