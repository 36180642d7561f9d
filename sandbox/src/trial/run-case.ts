/** Runs one case in a cell of its own, under the limits of production, and compares. */
import { canonicalText, type JsonValue } from '@portarium/contracts/canonical-json';
import { effectiveLimits } from '@portarium/contracts/limits';
import { configDefaults, type Manifest } from '@portarium/contracts/manifest';
import { decodeValue, encodeInput, outputProblem } from '@portarium/contracts/operation-value';
import { plainText } from '@portarium/contracts/plain-text';
import type { CaseResult, PluginCase } from '@portarium/contracts/plugin-cases';
import { type CellCommand, CellProcess } from '../host/cell-process.ts';
import { runGuest } from '../host/run-guest.ts';
import { RecordedEgress } from './recorded-egress.ts';

/** Every run reads the same time and the same chance. */
const SEED = '0'.repeat(64);
const START_TIME = '2026-01-01T00:00:00.000Z';
/** Every network that an administrator could open to the plugin; metadata services stay closed. */
const OPENED = ['0.0.0.0/0', '::/0'];

export interface TrialPlugin {
  readonly manifest: Manifest;
  /** The rewritten bytes, which cells run. */
  readonly module: Uint8Array;
}

interface End {
  readonly verdict: string;
  readonly message?: string | undefined;
  readonly output?: unknown;
  readonly logs?: CaseResult['logs'];
  /** What is wrong whatever was expected. */
  readonly problems?: readonly string[];
}

export async function runCase(
  plugin: TrialPlugin,
  one: PluginCase,
  command: CellCommand,
): Promise<CaseResult> {
  const started = performance.now();
  const end = await carryOut(plugin, one, command);
  const problems = [...(end.problems ?? []), ...differences(one, end)];
  return {
    name: one.name,
    operation: one.operation,
    ok: problems.length === 0,
    ms: Math.round(performance.now() - started),
    verdict: end.verdict,
    ...(end.message === undefined ? {} : { message: plainText(end.message, 2_000) }),
    ...(end.output === undefined ? {} : { output: end.output }),
    problems,
    logs: end.logs ?? [],
  };
}

async function carryOut(
  { manifest, module }: TrialPlugin,
  one: PluginCase,
  command: CellCommand,
): Promise<End> {
  const operation = manifest.operations.find(({ name }) => name === one.operation);
  if (!operation) {
    const known = manifest.operations.map(({ name }) => name).join(', ');
    const problem = `the manifest has no operation ${one.operation}; it has ${known}`;
    return { verdict: 'not run', problems: [problem] };
  }
  const limits = effectiveLimits(manifest.limits);
  const input = encodeInput(operation, one.input);
  if ('problems' in input) {
    const [first] = input.problems;
    return { verdict: 'input.invalid', message: `${first?.pointer || '/'}: ${first?.message}` };
  }
  if (input.bytes.length > limits.inputBytes) {
    return { verdict: 'input.invalid', message: `the input has ${input.bytes.length} bytes` };
  }
  const { egress: rules } = manifest;
  const contract = { plugin: rules, operator: rules, networks: OPENED, approval: [] };
  const egress = new RecordedEgress({ contract, effect: operation.effect }, limits, one.egress);
  const cell = new CellProcess(command);
  try {
    if (!(await cell.ready)) return lost(cell.lostReason);
    const bound = await cell.bind(module, limits.memoryMiB);
    if (!bound.ok) return { verdict: 'module.invalid', message: bound.message };
    const { outcome } = await runGuest(
      cell,
      {
        operation,
        input: Buffer.from(input.bytes).toString('base64'),
        config: configDefaults(manifest),
        ...{ limits, seed: SEED, startTime: START_TIME },
      },
      egress,
      new AbortController().signal,
    );
    const about = { logs: [...(outcome.logs ?? [])], problems: egress.problems() };
    if (outcome.verdict === 'failed') {
      // What was recorded behind the call that ended it was never reached.
      const problems = egress.problems().filter((problem) => problem.startsWith('it asked'));
      const { code = 'guest.error', message } = outcome.error ?? {};
      return { ...about, problems, verdict: code, message };
    }
    const output = new Uint8Array(Buffer.from(outcome.output ?? '', 'base64'));
    const problem = outputProblem(operation, output);
    if (problem) return { ...about, verdict: 'output.invalid', message: problem };
    return { ...about, verdict: 'succeeded', output: decodeValue(operation.encoding, output) };
  } finally {
    await cell.kill();
  }
}

function lost(reason: string | undefined): End {
  return { verdict: 'host.lost', message: `the cell did not start: ${reason ?? 'unknown'}` };
}

function differences({ expect }: PluginCase, end: End): string[] {
  if (end.verdict === 'not run') return [];
  if ('error' in expect) {
    if (end.verdict !== expect.error)
      return [`expected the error ${expect.error}, got ${toldOf(end)}`];
    const { message } = expect;
    return message === undefined || end.message?.includes(message)
      ? []
      : [`expected “${message}” in the message, got “${end.message}”`];
  }
  if (end.verdict !== 'succeeded') return [`expected an output, got ${toldOf(end)}`];
  return same(expect.output, end.output) ? [] : ['the output is another one'];
}

function toldOf({ verdict, message }: End): string {
  return message === undefined ? verdict : `${verdict}: ${message}`;
}

function same(a: unknown, b: unknown): boolean {
  return canonicalText(a as JsonValue) === canonicalText(b as JsonValue);
}
