/** What is wrong with how a case ended: by its verdict, and by what holds for every attempt whatever it does. */
import { plainText } from '@portarium/contracts/plain-text';
import { limitsOf } from '../corpus.ts';
import type { ModuleCase, Verdict } from '../module-case.ts';
import type { CaseEnd } from './in-cell.ts';

const MIB = 1024 * 1024;
/** In characters: a screen full. */
const LONGEST_TEXT = 10_000;
/** A cell at rest, its engine, and what it keeps of blocks and output. */
const OVERHEAD_MIB = 768;

/** Nothing when each attempt got the verdict. */
export function problemsOf(one: ModuleCase, ends: readonly CaseEnd[]): string[] {
  const problems = ends.flatMap((end) => [
    ...verdictProblems(one.expect, end),
    ...invariantProblems(one, end),
  ]);
  const outputs = new Set(ends.map(({ output }) => output));
  if (outputs.size > 1) problems.push('its attempts do not agree on the output');
  const cells = new Set(ends.map(({ cell }) => cell));
  if (cells.size > 1) problems.push('its attempts ran in several cells, and tell nothing');
  return problems;
}

/** The same for the whole product, where an engine's refusal comes at admission too. */
export function problemsInProduct(one: ModuleCase, ends: readonly CaseEnd[]): string[] {
  const expected = one.inProduct ?? one.expect;
  return ends.flatMap((end) => [
    ...(expected.stage === 'upload' && !end.codes.includes(expected.code)
      ? [`was answered with ${end.codes.join(', ')}`]
      : []),
    ...verdictProblems(expected, end),
    ...textProblems(end),
  ]);
}

function verdictProblems(expected: Verdict, end: CaseEnd): string[] {
  const told = end.codes.join(', ') || shorten(end.output ?? 'nothing');
  const wrong = [
    `ended at ${end.stage} with ${told}: ${end.texts.slice(0, 3).map(shorten).join(' | ')}`,
  ];
  // What an engine has to say comes from a cell.
  const byCell = expected.stage === 'admission' && end.stage === 'run' && end.cell === undefined;
  if (end.stage !== expected.stage && !byCell) return wrong;
  switch (expected.stage) {
    case 'upload':
      return [];
    case 'admission':
      return end.codes.includes(expected.rule) ? [] : wrong;
    case 'run':
      if ('code' in expected) return end.codes.includes(expected.code) ? [] : wrong;
      if (end.codes.length > 0) return wrong;
      return expected.output === '*' || end.output === expected.output ? [] : wrong;
  }
}

const shorten = (text: string) => JSON.stringify(text.slice(0, 200));

function textProblems({ texts }: CaseEnd): string[] {
  return texts
    .filter((text) => plainText(text, LONGEST_TEXT) !== text)
    .map((text) => `a text is not fit for a screen: ${shorten(text)}`);
}

function invariantProblems(one: ModuleCase, end: CaseEnd): string[] {
  const problems = textProblems(end);
  const { usage } = end;
  if (usage === undefined) return problems;
  const limits = limitsOf(one);
  if (usage.logLines > limits.logLines) problems.push(`${usage.logLines} log lines were kept`);
  const most = (limits.memoryMiB * 2 + OVERHEAD_MIB) * MIB;
  if (usage.memoryBytes > most) problems.push(`its cell took ${usage.memoryBytes} bytes`);
  const late = usage.wallMs - limits.wallMs;
  if (late > LATE_MS) problems.push(`it ended ${Math.round(late)} ms after its deadline`);
  return problems;
}

/** On a machine that is busy with other tests. */
const LATE_MS = 3_000;
