import { afterAll, beforeAll, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CellStarter } from '../isolation/cell-command.ts';
import type { Runtime } from '../isolation/runtime.ts';
import { denoBinary } from '../replay/deno-binary.ts';
import type { CellCommand } from './cell-process.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'portarium-deno-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** What a cell that was taken over could try. */
const PROBE = `
import { readFileSync, readSync, writeFileSync } from 'node:fs';
const tried = {};
const attempt = async (name, act) => {
  try { tried[name] = String(await act()); } catch (error) { tried[name] = error.name; }
};
await attempt('variable', () => process.env.PORTARIUM_TEST_SECRET ?? 'absent');
await attempt('deno dir', () => process.env.DENO_DIR ?? 'absent');
await attempt('read', () => readFileSync('/etc/hostname', 'utf8').length);
await attempt('own file', () => readFileSync(new URL(import.meta.url), 'utf8').length);
await attempt('write', () => writeFileSync('/tmp/portarium-probe', 'x'));
await attempt('connect', () => Deno.connect({ hostname: '127.0.0.1', port: 1 }));
await attempt('fetch', () => fetch('http://127.0.0.1:8099/'));
await attempt('run', () => new Deno.Command('/bin/sh', { args: ['-c', 'true'] }).outputSync());
await attempt('import', () => import('https://a.test/x.ts'));
await attempt('npm', () => import('npm:left-pad'));
await attempt('library', () => Deno.dlopen('libc.so.6', {}));
const chunk = new Uint8Array(16);
await attempt('pipe', () => new TextDecoder().decode(chunk.subarray(0, readSync(0, chunk))));
console.log(JSON.stringify(tried));
`;

const DENO: Runtime = { name: 'deno', executable: denoBinary() };
const DENIED = 'NotCapable';
/** What a cell gets out of it. */
const CONFINED = {
  variable: 'absent',
  'deno dir': 'absent',
  read: DENIED,
  'own file': DENIED,
  write: DENIED,
  connect: DENIED,
  fetch: DENIED,
  run: DENIED,
  import: 'TypeError',
  npm: 'TypeError',
  library: DENIED,
  pipe: 'from the host',
};

async function plainCommand(
  script: string,
  folder: string,
  searchPath: string,
): Promise<CellCommand> {
  const starter = new CellStarter(folder, searchPath);
  const found = await starter.command('process', { runtime: DENO, script });
  if (!found.ok) throw new Error(found.missing);
  return found.command;
}

async function probe() {
  const folder = await mkdtemp(join(root, 'cell-'));
  const script = join(folder, 'probe.mjs');
  await writeFile(script, PROBE);
  return plainCommand(script, folder, process.env.PATH ?? '');
}

test('a process of Deno reads its pipe and may do nothing else', async () => {
  const { command, args, environment } = await probe();
  expect(args.filter((argument) => argument.startsWith('--allow'))).toEqual([]);
  const env = { ...environment, PORTARIUM_TEST_SECRET: 'hidden' };
  const { stdout, stderr } = spawnSync(command, [...args], {
    ...{ cwd: '/', env, input: 'from the host', encoding: 'utf8' as const },
  });
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual(CONFINED);
});

test('a host on Deno gives its cells no permission either', async () => {
  const { command, args, environment } = await probe();
  const host = join(root, 'host.mjs');
  const options = { cwd: '/', env: environment, input: 'from the host', encoding: 'utf8' };
  await writeFile(
    host,
    `import { spawnSync } from 'node:child_process';
    const ran = spawnSync(${JSON.stringify(command)}, ${JSON.stringify(args)}, ${JSON.stringify(options)});
    console.log(ran.stdout || ran.stderr);`,
  );
  const { stdout, stderr } = spawnSync(denoBinary(), ['run', '-A', host], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual(CONFINED);
});

test('nothing is left to search for outside of the folder of the cell', async () => {
  const { environment, command } = await plainCommand(join(root, 'cell.mjs'), root, '');
  expect([environment?.DENO_DIR, command]).toEqual([join(root, 'deno'), join(root, 'deno-cell')]);
});
