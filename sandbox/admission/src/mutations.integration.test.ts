import { beforeAll, expect, test } from 'bun:test';
import { runCount } from '@portarium/contracts/testing/run-count';
import { compileGuest, HTTP_HEAD } from '../../src/testing/assemblyscript.ts';
import { admit } from './admit.ts';
import { encodeU32 } from './byte-writer.ts';
import { readModule } from './read-module.ts';
import { SECTION } from './sections.ts';
import { mutate } from './testing/mutate.ts';
import { sampleManifest } from './testing/sample-manifest.ts';
import {
  type Bytes,
  buildModule,
  exportFunction,
  importFunction,
  limits,
  plainModule,
  section,
  text,
  vector,
} from './testing/wasm-builder.ts';

const MEMORY_MIB = 2;
const manifest = sampleManifest();

const V128 = Array<number>(16).fill(0);
const names: Bytes = [...text('name'), ...section(1, vector([[...encodeU32(1), ...text('run')]]))];

/** One module with a bit of everything that is taken. */
const RICH = buildModule({
  types: [
    [0x60, 0, 0],
    [0x60, 1, 0x7e, 1, 0x7e],
    [0x60, 2, 0x7f, 0x7f, 2, 0x7f, 0x7f],
  ],
  imports: [importFunction('extism:host/env', 'alloc', 1)],
  functions: [0, 2, 0],
  tables: [
    [0x70, ...limits(3, 5)],
    [0x6f, ...limits(1)],
  ],
  memories: [limits(1, 9)],
  globals: [
    [0x7f, 1, 0x41, 7, 0x0b],
    [0x7b, 0, 0xfd, 12, ...V128, 0x0b],
    [0x70, 0, 0xd2, 1, 0x0b],
  ],
  exports: [exportFunction('run', 1), [...text('memory'), 2, 0]],
  start: 3,
  elements: [
    [0, 0x41, 0, 0x0b, 2, 1, 3],
    [5, 0x70, 1, 0xd2, 2, 0x0b],
    [1, 0, 1, 1],
  ],
  dataCount: 2,
  bodies: [
    [
      ...[2, 1, 0x7f, 1, 0x7b, 0x02, 0x40, 0x03, 0x40, 0x20, 0, 0x0e, 1, 0, 1, 0x0b, 0x0b],
      ...[0x41, 0, 0x41, 0, 0x41, 1, 0xfc, 8, 1, 0, 0xfc, 9, 1, 0x41, 0, 0x11, 0, 0, 0x0b],
    ],
    [0, 0x20, 0, 0x04, 2, 0x20, 1, 0x05, 0x20, 1, 0x0b, 0x0b].toSpliced(
      3,
      9,
      0x1a,
      0x20,
      1,
      0x20,
      0,
      0x0b,
    ),
    [0, 0x41, 0, 0xfd, 0, 4, 0, 0x1a, 0x44, ...Array<number>(8).fill(1), 0x1a, 0x12, 1, 0x0b],
  ],
  data: [
    [0, 0x41, 8, 0x0b, ...text('hello')],
    [1, ...text('world')],
  ],
  extra: [{ id: SECTION.custom, contents: names }],
});

let modules: readonly Uint8Array[];
beforeAll(async () => {
  const compiled = await compileGuest(`${HTTP_HEAD}
    class Row { constructor(public name: string, public value: f64) {} }
    export function run(): i32 {
      const rows = input().split(",").map<Row>((text: string) => new Row(text, parseFloat(text)));
      let sum = 0.0;
      for (let i = 0; i < rows.length; i++) sum += Math.sqrt(rows[i].value);
      const seen = new Map<string, f64>();
      seen.set(request("GET", "https://a.example/"), sum);
      output(seen.keys().join(";") + sum.toString());
      return 0;
    }`);
  modules = [compiled, RICH, plainModule()];
}, 120_000);

/**
 * What the reader leaves to the engine: types of operands, and how many there are. JavaScriptCore says
 * “doesn’t parse” of some of that too.
 */
const LEFT_TO_THE_ENGINE: readonly RegExp[] = [
  /doesn't validate/,
  /can't (pop empty stack|tee_local on empty expression stack)/,
  /but the expression stack currently holds/,
  /but the caller's signature has/,
  /only valid when a table has type funcref/,
];

interface Tally {
  admitted: number;
  readonly left: Map<string, number>;
  readonly faults: string[];
}

async function judge(seed: number, tally: Tally): Promise<void> {
  const { bytes, kinds } = mutate(modules, seed);
  const fault = (what: string) => tally.faults.push(`seed ${seed} (${kinds.join(', ')}): ${what}`);
  const cpu = process.cpuUsage();
  const admission = await admit(bytes, manifest, { memoryMiB: MEMORY_MIB }).catch(String);
  const { user } = process.cpuUsage(cpu);
  if (user > 1_000_000) fault(`it took ${user / 1_000} ms`);
  if (typeof admission === 'string') return void fault(`admission threw ${admission}`);
  if (!admission.ok) {
    if (admission.findings.length === 0) fault('refused without a finding');
    return;
  }
  tally.admitted++;
  const { memories, tables } = readModule(admission.module);
  for (const { maximum = Number.POSITIVE_INFINITY } of memories) {
    if (maximum > MEMORY_MIB * 16) fault(`its memory may grow to ${maximum} pages`);
  }
  for (const { limits: of } of tables) {
    if ((of.maximum ?? Number.POSITIVE_INFINITY) > 10_000) fault('its table may grow without end');
  }
  try {
    new WebAssembly.Module(admission.module as Uint8Array<ArrayBuffer>);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    const [told = ''] = said.split(', in function');
    const reason = told.replaceAll(/\d+/g, 'N').slice(0, 120);
    tally.left.set(reason, (tally.left.get(reason) ?? 0) + 1);
    if (!LEFT_TO_THE_ENGINE.some((known) => known.test(said))) fault(`the engine says: ${said}`);
  }
}

test('the modules that are changed are admitted as they are, and compile', async () => {
  for (const bytes of modules) {
    const admission = await admit(bytes, manifest, { memoryMiB: MEMORY_MIB });
    expect(admission.ok ? [] : admission.findings).toEqual([]);
    const valid = admission.ok && WebAssembly.validate(admission.module as Uint8Array<ArrayBuffer>);
    expect(valid).toBe(true);
  }
});

function tell(count: number, { admitted, left }: Tally): void {
  const refused = [...left.values()].reduce((sum, some) => sum + some, 0);
  console.log(`${count} modules, ${admitted} admitted, of which the engine refuses ${refused}:`);
  const sorted = [...left].sort(([, a], [, b]) => b - a).slice(0, 40);
  for (const [reason, some] of sorted) console.log(`${some} × ${reason}`);
}

/** Ten minutes with --full. */
const FULL_MS = runCount(0, 600_000);
const COUNT = 6_000;

test(
  'a module that was changed is refused with a finding, or compiles within its limits but for its types',
  async () => {
    const tally: Tally = { admitted: 0, left: new Map(), faults: [] };
    const first = FULL_MS > 0 ? Date.now() : 20_261_128;
    const until = performance.now() + FULL_MS;
    const before = process.memoryUsage().rss;
    let seed = first;
    for (; seed < first + COUNT || performance.now() < until; seed++) {
      await judge(seed, tally);
      if (tally.faults.length >= 10) break;
    }
    if (FULL_MS > 0) tell(seed - first, tally);
    expect(tally.faults).toEqual([]);
    expect(tally.admitted).toBeGreaterThan(COUNT / 20);
    expect(process.memoryUsage().rss - before).toBeLessThan(512 * 1024 * 1024);
  },
  FULL_MS + 120_000,
);
