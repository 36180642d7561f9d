import { afterAll, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileRust } from './compile-rust.ts';

const scratch = mkdtempSync(join(tmpdir(), 'portarium-rust-'));
const path = process.env.PATH;
afterAll(() => {
  process.env.PATH = path;
  rmSync(scratch, { recursive: true, force: true });
});

/** Compiles where the command `cargo` is this script, or where there is none. */
async function compileWith(script?: string): Promise<string> {
  const bin = mkdtempSync(join(scratch, 'bin-'));
  if (script !== undefined) {
    writeFileSync(join(bin, 'cargo'), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, 'cargo'), 0o755);
  }
  process.env.PATH = bin;
  const module = compileRust(scratch);
  return module.then(
    (bytes) => `${bytes.length} bytes`,
    (error: Error) => error.message,
  );
}

const artifact = (...filenames: string[]) =>
  `echo '${JSON.stringify({ reason: 'compiler-artifact', filenames })}'`;

test('a machine without cargo is told what to install, and one without the target what to run', async () => {
  const remedy =
    'install Rust from https://rustup.rs, then run: rustup target add wasm32-unknown-unknown';
  expect(await compileWith()).toBe(
    `cargo was not found. It needs cargo and the target wasm32-unknown-unknown: ${remedy}`,
  );
  const lacking =
    "echo 'note: the `wasm32-unknown-unknown` target may not be installed' >&2; exit 101";
  expect(await compileWith(lacking)).toEndWith(remedy);
  const mistake = await compileWith("echo 'error[E0425]: cannot find value `x`' >&2; exit 101");
  expect(mistake).toContain('error[E0425]');
  expect(mistake).not.toContain('rustup');
});

test('the module is the one that cargo says it made, wherever that is', async () => {
  mkdirSync(join(scratch, 'out'));
  const file = join(scratch, 'out/other_name.wasm');
  writeFileSync(file, 'abc');
  const lib = artifact('/x/libserde.rlib', '/x/libserde.rmeta');
  expect(await compileWith(`${lib}\n${artifact(file)}\necho '{"reason":"build-finished"}'`)).toBe(
    '3 bytes',
  );
  expect(await compileWith(lib)).toContain('It needs [lib] crate-type = ["cdylib"].');
  expect(await compileWith(`${artifact(file)}\n${artifact('/x/b.wasm')}`)).toContain(
    'more than one WebAssembly module',
  );
});
