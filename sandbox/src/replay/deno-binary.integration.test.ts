import { expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { denoBinary } from './deno-binary.ts';

test('the Deno that is pinned starts where it was unpacked', () => {
  const pinned = createRequire(import.meta.url)('../../package.json').dependencies.deno;
  const { stdout } = spawnSync(denoBinary(), ['--version'], { encoding: 'utf8', env: {} });
  expect(stdout).toStartWith(`deno ${pinned} `);
  expect(readFileSync(denoBinary()).length).toBeGreaterThan(1_000_000);
});

test('a platform without Deno, and one whose package is not installed, say what to do', () => {
  expect(() => denoBinary('sunos-x64')).toThrow('--engine bun');
  const other = process.platform === 'darwin' ? 'linux-x64' : 'darwin-arm64';
  expect(() => denoBinary(other)).toThrow('Run bun install');
});
