import { afterAll, beforeAll, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { denoBinary } from './deno-binary.ts';
import { denoCommand } from './replay-engine.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portarium-deno-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

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

test('a process of Deno reads its pipe and may do nothing else', async () => {
  const script = join(folder, 'probe.mjs');
  await writeFile(script, PROBE);
  const path = process.env.PATH ?? '';
  const { command, args, environment } = denoCommand(denoBinary(), script, folder, path);
  expect(args.filter((argument) => argument.startsWith('--allow'))).toEqual([]);
  const env = { ...environment, PORTARIUM_TEST_SECRET: 'hidden' };
  const { stdout, stderr } = spawnSync(command, [...args], {
    ...{ cwd: '/', env, input: 'from the host', encoding: 'utf8' as const },
  });
  expect(stderr).toBe('');
  const denied = 'NotCapable';
  expect(JSON.parse(stdout)).toEqual({
    variable: 'absent',
    'deno dir': 'absent',
    read: denied,
    'own file': denied,
    write: denied,
    connect: denied,
    fetch: denied,
    run: denied,
    import: 'TypeError',
    npm: 'TypeError',
    library: denied,
    pipe: 'from the host',
  });
});

test('nothing is left to search for outside of the folder of the cell', () => {
  const { environment } = denoCommand('/deno', '/folder/cell.mjs', '/folder', '');
  expect(environment?.DENO_DIR).toBe('/folder/deno');
  expect(denoCommand('/deno', '/folder/cell.mjs', '/folder', '').command).toBe('/deno');
});
