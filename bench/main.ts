/**
 * `bun run bench NAME [--json]`: measures the product beside what it is compared with, in one run.
 * A benchmark is not a test: a slow machine fails nothing.
 */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { benchAction } from './action.ts';
import { benchApi } from './api.ts';
import { benchData } from './data.ts';
import { benchEgress } from './egress.ts';
import { benchEvidence } from './evidence.ts';
import type { BenchResult, Measured } from './measure.ts';
import { benchSandbox } from './sandbox.ts';
import { benchWrite } from './write.ts';

const BENCHES: Readonly<Record<string, (tell: (text: string) => void) => Promise<Measured>>> = {
  action: benchAction,
  api: benchApi,
  data: benchData,
  egress: benchEgress,
  evidence: benchEvidence,
  sandbox: benchSandbox,
  write: benchWrite,
};

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}

function table(result: BenchResult): string {
  const row = (cells: readonly string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(46) : cell.padStart(9))).join(' ');
  const ms = (value: number) => value.toFixed(value < 1 ? 3 : 1);
  return [
    row(['case', 'n', 'p50 ms', 'p95 ms', 'p99 ms', 'per s']),
    ...result.cases.map((each) =>
      row([
        each.name,
        String(each.n),
        ms(each.p50Ms),
        ms(each.p95Ms),
        ms(each.p99Ms),
        ms(each.perSecond),
      ]),
    ),
    ...result.ratios.map(
      (each) =>
        `${each.name}: ${each.value.toFixed(2)} (aim ${each.aim}) ${each.ok ? 'reached' : `missed: ${each.missed ?? ''}`}`,
    ),
    ...Object.entries(result.peakMiB ?? {}).map(
      ([name, value]) => `peak memory, ${name}: ${value.toFixed(0)} MiB`,
    ),
    `${result.machine}, commit ${result.commit}`,
  ].join('\n');
}

const [name = '', ...flags] = process.argv.slice(2);
const bench = BENCHES[name];
if (!bench) {
  console.error(`usage: bun run bench ${Object.keys(BENCHES).join('|')} [--json]`);
  process.exit(2);
}
const json = flags.includes('--json');
const measured = await bench((text) => console.error(text));
const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`;
const result: BenchResult = { bench: name, commit: commit(), machine, ...measured };
console.log(json ? JSON.stringify(result) : table(result));
process.exit(0);
