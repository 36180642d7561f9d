/** Compiles a plugin in Rust with the author's own cargo. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCompiler } from './run-compiler.ts';

const TARGET = 'wasm32-unknown-unknown';
const REMEDY = `It needs cargo and the target ${TARGET}: install Rust from https://rustup.rs, then run: rustup target add ${TARGET}`;
const BUILD = [
  ...['build', '--release', '--target', TARGET],
  ...['--quiet', '--message-format', 'json-render-diagnostics'],
];

/**
 * @param root folder with Cargo.toml; build products go to its `target/`, or to `CARGO_TARGET_DIR`
 * @throws Error with the compiler's own text, or saying what is missing on this machine
 */
export async function compileRust(root: string): Promise<Uint8Array> {
  const file = join(root, 'Cargo.toml');
  const { code, stdout, output } = await runCompiler(
    ['cargo', ...BUILD, '--target-dir', process.env.CARGO_TARGET_DIR ?? join(root, 'target')],
    root,
    REMEDY,
  );
  if (code !== 0) {
    const lacks = /can't find crate for `core`|target may not be installed/.test(output);
    throw new Error(`cargo refused ${root}:\n${output.trim()}${lacks ? `\n${REMEDY}` : ''}`);
  }
  const modules = modulesOf(stdout);
  const [module, second] = modules;
  if (module === undefined) {
    throw new Error(`${file} makes no WebAssembly module. It needs [lib] crate-type = ["cdylib"].`);
  }
  if (second !== undefined) {
    throw new Error(
      `${file} makes more than one WebAssembly module: ${modules.join(', ')}. A plugin is one; give each a folder of its own.`,
    );
  }
  return new Uint8Array(await readFile(module));
}

/** The `.wasm` files that cargo tells of (the Cargo Book, "External tools", artifact messages). */
function modulesOf(messages: string): string[] {
  return messages.split('\n').flatMap((line) => {
    const message: unknown = line.startsWith('{') ? JSON.parse(line) : undefined;
    if (typeof message !== 'object' || message === null || !('filenames' in message)) return [];
    const { filenames } = message;
    return Array.isArray(filenames)
      ? filenames.filter(
          (name): name is string => typeof name === 'string' && name.endsWith('.wasm'),
        )
      : [];
  });
}
