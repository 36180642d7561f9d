/** Compiles a plugin in Rust with the author's own cargo. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const TARGET = 'wasm32-unknown-unknown';
const REMEDY = `It needs cargo and the target ${TARGET}: install Rust from https://rustup.rs, then run: rustup target add ${TARGET}`;

/**
 * @param root folder with Cargo.toml; build products go to its `target/`
 * @throws Error with the compiler's own text, or saying what is missing on this machine
 */
export async function compileRust(root: string): Promise<Uint8Array> {
  const manifest = await readFile(join(root, 'Cargo.toml'), 'utf8');
  const name = /^\s*name\s*=\s*"([A-Za-z0-9_-]+)"/m.exec(manifest)?.[1];
  if (name === undefined) throw new Error(`${join(root, 'Cargo.toml')} names no package.`);
  const target = join(root, 'target');
  const args = ['build', '--release', '--target', TARGET, '--target-dir', target, '--quiet'];
  const { code, output } = await run('cargo', args, root);
  if (code !== 0) {
    const lacks = /can't find crate for `core`|target may not be installed/.test(output);
    throw new Error(`cargo refused ${root}:\n${output.trim()}${lacks ? `\n${REMEDY}` : ''}`);
  }
  const file = join(target, TARGET, 'release', `${name.replaceAll('-', '_')}.wasm`);
  return new Uint8Array(
    await readFile(file).catch(() => {
      throw new Error(`cargo wrote no ${file}. Cargo.toml needs [lib] crate-type = ["cdylib"].`);
    }),
  );
}

function run(
  file: string,
  args: readonly string[],
  cwd: string,
): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const take = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-16_384);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('error', () => reject(new Error(`cargo was not found. ${REMEDY}`)));
    child.once('close', (code) => resolve({ code, output }));
  });
}
