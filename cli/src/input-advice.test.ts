import { expect, test } from 'bun:test';
import { inputAdvice } from './input-advice.ts';

const operation = (changes: object) => ({
  ...{ name: 'createRefund', encoding: 'json', examples: [] },
  ...changes,
});

test('the schema and a command that can be pasted say what an operation takes', () => {
  const text = inputAdvice(
    'stripe-refunds@1.1.0',
    operation({ input: { type: 'object' }, examples: [{ input: { note: "it's \u202efine" } }] }),
  );
  expect(text).toContain('createRefund takes: {"type":"object"}');
  expect(text).toContain(
    `portarium action run stripe-refunds@1.1.0 createRefund --input '{"note":"it'\\''s fine"}'`,
  );
});

test('an operation without an example, and one that takes text or bytes, say which option it is', () => {
  expect(inputAdvice('p', operation({}))).toContain('portarium action run p createRefund --input');
  expect(inputAdvice('p', operation({ encoding: 'text' }))).toContain('--text TEXT');
  expect(inputAdvice('p', operation({ encoding: 'bytes' }))).toContain('--text BASE64');
});
