/** Compiles a plugin in Go with the author's own Go: the stock compiler, for WASI preview 1. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCompiler } from './run-compiler.ts';

const REMEDY = 'It needs Go 1.24 or newer: install it from https://go.dev/dl';
/** A library: `go:wasmexport` functions that the host calls, after `_initialize`. */
const BUILD = ['-buildmode=c-shared', '-trimpath', '-buildvcs=false', '-ldflags=-s -w'];
const ENVIRONMENT = { GOOS: 'wasip1', GOARCH: 'wasm', CGO_ENABLED: '0' };

/**
 * The same source, Go and modules give the same bytes.
 * @param root folder with go.mod
 * @throws Error with the compiler's own text, or saying what is missing on this machine
 */
export async function compileGo(root: string): Promise<Uint8Array> {
  const scratch = await mkdtemp(join(tmpdir(), 'portarium-go-'));
  const file = join(scratch, 'plugin.wasm');
  try {
    const command = ['go', 'build', ...BUILD, '-o', file, '.'] as const;
    const { code, output } = await runCompiler(command, root, REMEDY, ENVIRONMENT);
    if (code === 0) return new Uint8Array(await readFile(file));
    const lacks = /buildmode=c-shared not supported|go\.mod requires go|wasmexport/.test(output);
    throw new Error(`go refused ${root}:\n${output.trim()}${lacks ? `\n${REMEDY}` : ''}`);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
