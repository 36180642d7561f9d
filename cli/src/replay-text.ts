/** What a replay prints, line by line, in words for people. */

import { visibleLine } from '@portarium/client/visible-text';
import { ATTEMPT_ERRORS, type AttemptErrorCode } from '@portarium/contracts/errors';
import * as v from 'valibot';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const engine = v.picklist(['bun', 'deno']);
const ran = { engine, ms: count };

const ResultSchema = v.variant('status', [
  v.object({
    ...ran,
    status: v.literal('agrees'),
    calls: count,
    outputDigest: v.optional(v.string()),
  }),
  v.object({
    ...ran,
    status: v.literal('differs'),
    calls: count,
    finding: v.looseObject({ call: v.optional(count), message: v.string() }),
  }),
  v.object({ ...ran, status: v.literal('not-replayable'), reason: v.string() }),
]);
type Result = v.InferOutput<typeof ResultSchema>;

const AttemptSchema = v.object({
  action: v.string(),
  attempt: v.string(),
  number: count,
  verdict: v.string(),
  results: v.array(ResultSchema),
  reason: v.optional(v.string()),
});

const SummarySchema = v.object({
  ok: v.boolean(),
  attempts: count,
  findings: count,
  notReplayable: count,
  bundle: v.string(),
  reason: v.optional(v.string()),
});

/** One line of the sandbox's own output: an attempt, and last the summary. */
export const ReplayLineSchema = v.union([AttemptSchema, SummarySchema]);
export type ReplayLine = v.InferOutput<typeof ReplayLineSchema>;

const ENGINES = { bun: 'Bun (JavaScriptCore)', deno: 'Deno (V8)' } as const;

export function replayText(line: ReplayLine): string {
  return 'results' in line ? attemptText(line) : summaryText(line);
}

function attemptText(line: v.InferOutput<typeof AttemptSchema>): string {
  const name = `attempt ${line.number} ${line.attempt}`;
  if (line.reason !== undefined) return `${name} can not be replayed: ${visibleLine(line.reason)}`;
  const agree = line.results.filter(({ status }) => status === 'agrees');
  const rest = line.results.filter(({ status }) => status !== 'agrees');
  const lines = rest.map((result) => `${name} ${otherText(result)}`);
  const [first] = agree;
  if (first?.status === 'agrees') {
    lines.unshift(`${name} agrees on ${namesOf(agree)}: ${agreedText(first, line.verdict)}`);
  }
  return lines.join('\n');
}

/** What was compared, and how the attempt ended. */
function agreedText(result: Result & { status: 'agrees' }, verdict: string): string {
  const calls = result.calls === 1 ? '1 call' : `${result.calls} calls`;
  const end =
    result.outputDigest === undefined ? endText(verdict) : `output ${result.outputDigest}`;
  return `${calls}, ${visibleLine(end)}`;
}

/** An attempt that failed agrees when it fails again in the same way. */
function endText(verdict: string): string {
  const known = Object.hasOwn(ATTEMPT_ERRORS, verdict)
    ? ATTEMPT_ERRORS[verdict as AttemptErrorCode][0]
    : undefined;
  return known === undefined ? verdict : `and the same end, ${verdict} (${known})`;
}

function otherText(result: Result): string {
  if (result.status === 'agrees') return '';
  const where = `on ${ENGINES[result.engine]}`;
  if (result.status === 'not-replayable') {
    return `can not be replayed ${where}: ${visibleLine(result.reason)}`;
  }
  const { call, message } = result.finding;
  const at = call === undefined ? '' : `call ${call}: `;
  return `DIFFERS ${where}: ${at}${visibleLine(message)}`;
}

function namesOf(results: readonly Result[]): string {
  return results.map(({ engine: name }) => ENGINES[name]).join(' and ');
}

function summaryText(line: v.InferOutput<typeof SummarySchema>): string {
  const { attempts, findings, notReplayable, bundle } = line;
  if (line.reason !== undefined) return `Nothing was replayed: ${visibleLine(line.reason)}`;
  const agree = attempts - findings - notReplayable;
  const parts = [
    ...(agree > 0 ? [`${agree} agree`] : []),
    ...(findings > 0 ? [`${findings} differ`] : []),
    ...(notReplayable > 0 ? [`${notReplayable} can not be replayed`] : []),
  ];
  const one = agree > 0 ? 'agrees' : findings > 0 ? 'differs' : 'can not be replayed';
  const all =
    attempts === 1 ? `The attempt ${one}` : `Of ${attempts} attempts, ${parts.join(', ')}`;
  return `${all}. ${BUNDLES[bundle] ?? ''}`.trim();
}

/** What the answer rests on. */
const BUNDLES: Readonly<Record<string, string>> = {
  verified: 'The bundle is verified.',
  unpinned:
    'The bundle contradicts nothing, but no key was pinned: --pin KEY (portarium evidence key prints it).',
  incomplete: 'The bundle is not complete: portarium evidence verify says what is missing.',
};
