/**
 * Compiles a plugin folder into one WebAssembly module and its manifest. Never runs the module,
 * and never decides whether it may be used: that is admission's.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import asc from 'assemblyscript/asc';
import { compileGo } from './compile-go.ts';
import { compileRust } from './compile-rust.ts';
import { type PluginManifest, readManifest } from './plugin-manifest.ts';

export interface BuiltPlugin {
  readonly manifest: PluginManifest;
  /** `plugin.json` as it was read and copied. */
  readonly manifestText: string;
  readonly module: Uint8Array;
  /** Absolute; holds `plugin.wasm` and `plugin.json`. */
  readonly outDir: string;
}

/** The only modules a guest may import from. */
const HOST_MODULES: ReadonlySet<string> = new Set([
  'extism:host/env',
  'portarium:host/v1',
  'wasi_snapshot_preview1',
]);

/**
 * Builds `<dir>/assembly/index.ts`, or what `<dir>/Cargo.toml` or `<dir>/go.mod` names, with
 * `<dir>/plugin.json`. The same AssemblyScript gives the same bytes.
 * @param outDir where `plugin.wasm` and `plugin.json` go; `<dir>/build` unless given
 * @throws Error with the compiler's own text, or naming the import or export that is wrong
 */
export async function buildPlugin(dir: string, outDir?: string): Promise<BuiltPlugin> {
  const root = resolve(dir);
  const out = resolve(outDir ?? join(root, 'build'));
  const manifestFile = join(root, 'plugin.json');
  const manifestText = await readText(manifestFile);
  const manifest = readManifest(manifestText, manifestFile);
  const module = await compileModule(root);
  await assertFits(module, manifest);
  await mkdir(out, { recursive: true });
  await writeFile(join(out, 'plugin.wasm'), module);
  await writeFile(join(out, 'plugin.json'), manifestText);
  return { manifest, manifestText, module, outDir: out };
}

/**
 * Compiles the folder, whatever it exports.
 * @throws Error with the compiler's own text, or saying what is missing on this machine
 */
export function compileModule(root: string): Promise<Uint8Array> {
  if (existsSync(join(root, 'Cargo.toml'))) return compileRust(root);
  if (existsSync(join(root, 'go.mod'))) return compileGo(root);
  return compileAssemblyScript(root);
}

/**
 * The start code becomes the export `_initialize`, which every Extism host calls before the first
 * operation: a start section could not be put under a deadline.
 */
const FLAGS = [
  ...['--runtime', 'incremental', '--exportStart', '_initialize'],
  ...['--use', 'abort=~lib/@portarium/sdk/assembly/abort/guestAbort'],
  ...['--optimizeLevel', '3', '--shrinkLevel', '1', '--converge'],
];

async function compileAssemblyScript(root: string): Promise<Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const messages: string[] = [];
  const say = (chunk: Uint8Array | string) => {
    messages.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8'));
  };
  const { error } = await asc.main(
    [
      ...['assembly/index.ts', '--baseDir', root, '--outFile', 'plugin.wasm'],
      ...['--path', packagesFolder(), ...FLAGS],
    ],
    {
      readFile: (name, baseDir) => readFile(resolve(baseDir, name), 'utf8').catch(() => null),
      writeFile: (name, contents) => {
        files.set(name, typeof contents === 'string' ? Buffer.from(contents) : contents);
      },
      listFiles: () => null,
      stdout: { write: say },
      stderr: { write: say },
    },
  );
  const module = files.get('plugin.wasm');
  if (error || !module) {
    throw new Error(
      `the AssemblyScript compiler refused ${join(root, 'assembly/index.ts')}:\n` +
        (messages.join('').trim() || error?.message || 'no module was written'),
    );
  }
  return module;
}

/** The folder that holds the packages which guest code imports, wherever the plugin lies. */
function packagesFolder(): string {
  const require = createRequire(import.meta.url);
  return dirname(dirname(dirname(require.resolve('@extism/as-pdk/package.json'))));
}

async function assertFits(bytes: Uint8Array, manifest: PluginManifest): Promise<void> {
  const module = await WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>);
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    if (HOST_MODULES.has(from)) continue;
    throw new Error(
      `the module imports ${from}.${name}, which no sandbox has; only ` +
        `${[...HOST_MODULES].join(', ')} may be imported. ${remedy(name)}`,
    );
  }
  const exports = WebAssembly.Module.exports(module);
  for (const operation of manifest.operations) {
    if (exports.some(({ kind, name }) => kind === 'function' && name === operation.export))
      continue;
    throw new Error(
      `operation ${operation.name} names the export ${operation.export}, which the module ` +
        `does not have; it has ${exports.map(({ name }) => name).join(', ')}`,
    );
  }
}

function remedy(name: string): string {
  if (name === 'seed') return 'Use random.number() of the kit instead of Math.random().';
  if (name.endsWith('.now')) return 'Use clock.nowMs() of the kit instead of Date.now().';
  return 'Leave out what needs it (such as console).';
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new Error(`${file} could not be read: ${error instanceof Error ? error.message : error}`);
  }
}
