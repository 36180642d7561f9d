import { afterAll, beforeAll, expect, test } from 'bun:test';
import {
  type Bytes,
  buildModule,
  exportFunction,
  limits,
  PROCEDURE,
  plainModule,
} from '@portarium/admission/testing/wasm-builder';
import { denoBinary } from '../replay/deno-binary.ts';
import { CellProcess } from './cell-process.ts';
import { type CellProgram, prepareCellProgram } from './cell-program.ts';
import { smokeRun } from './smoke-run.ts';

const programs = new Map<string, CellProgram>();

beforeAll(async () => {
  const path = process.env.PATH ?? '';
  programs.set('bun', await prepareCellProgram(path));
  const deno = { name: 'deno', executable: denoBinary() } as const;
  programs.set('deno', await prepareCellProgram(path, { runtime: deno }));
});

afterAll(async () => {
  for (const program of programs.values()) await program.remove();
});

function newCell(name: string): CellProcess {
  const program = programs.get(name);
  if (!program) throw new Error(name);
  return new CellProcess(program);
}

async function endOf(name: string, module: Uint8Array) {
  const cell = newCell(name);
  const end = await smokeRun(cell, module);
  expect(cell.alive).toBe(false);
  return end.end === 'refused' ? [end.finding.rule, end.finding.message] : [end.end];
}

for (const runtime of ['bun', 'deno']) {
  test(`a module that an instance can be made of passes, and its cell is gone, on ${runtime}`, async () => {
    expect(await endOf(runtime, plainModule())).toEqual(['passed']);
  });

  test(`what the engine refuses is a finding with its reason, on ${runtime}`, async () => {
    const [rule, message] = await endOf(runtime, plainModule({ bodies: [[0, 0x6a, 0x0b]] }));
    expect(rule).toBe('module.invalid');
    expect(message).toMatch(/^the engine refuses the module: .*(pop|stack|add)/);
  });

  test(`what traps before the first call is a finding, on ${runtime}`, async () => {
    const outside = plainModule({ data: [[0, 0x41, 0x7f, 0x0b, 1, 0]] });
    expect((await endOf(runtime, outside))[0]).toBe('module.instantiate');
  });

  test(`a recursion by tail calls runs in constant stack, on ${runtime}`, async () => {
    // f(n): if n = 0 return, else return f(n - 1)
    const f: Bytes = [
      0, 0x20, 0, 0x45, 0x04, 0x40, 0x0f, 0x0b, 0x20, 0, 0x41, 1, 0x6b, 0x12, 0, 0x0b,
    ];
    const module = buildModule({
      types: [[0x60, 1, 0x7f, 0], PROCEDURE],
      functions: [0, 1],
      memories: [limits(1)],
      exports: [exportFunction('run', 1)],
      start: 1,
      bodies: [f, [0, 0x41, 0x80, 0xad, 0xe2, 0x04, 0x10, 0, 0x0b]],
    });
    expect(await endOf(runtime, module)).toEqual(['passed']);
  });
}

test('a module that costs too much is refused, whatever the machine does beside', async () => {
  const many = 20_000;
  const module = plainModule({
    functions: Array<number>(many).fill(0),
    bodies: Array<Bytes>(many).fill([0, ...Array<Bytes>(20).fill([0x02, 0x40, 0x0b]).flat(), 0x0b]),
  });
  const end = await smokeRun(newCell('bun'), module, { cpuMs: 1 });
  expect(end.end === 'refused' && end.finding.rule).toBe('module.costly');
});

test('a cell that dies says nothing of the module', async () => {
  const none = new CellProcess({ command: '/bin/false', args: [] });
  expect(await smokeRun(none, plainModule())).toMatchObject({ end: 'lost', crashed: false });
  const cell = newCell('bun');
  const end = smokeRun(cell, plainModule());
  await cell.ready;
  process.kill(cell.pid, 'SIGKILL');
  expect(await end).toMatchObject({ end: 'lost', crashed: true });
});
