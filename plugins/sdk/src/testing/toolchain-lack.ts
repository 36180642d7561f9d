/**
 * Why plugins of a language can not be built on this machine, for tests that are skipped then. What is
 * compiled of crates is kept for all of them, and for the next run.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Language } from '../new-plugin.ts';

/** Says on the console what is skipped. @returns the reason; undefined where such plugins can be built */
export function toolchainLack(language: Language): string | undefined {
  const lack = LACKS[language]();
  if (lack !== undefined) console.warn(`Tests of plugins in ${language} are skipped: ${lack}.`);
  return lack;
}

const LACKS: Readonly<Record<Language, () => string | undefined>> = {
  assemblyscript: () => undefined,
  rust() {
    if (Bun.which('cargo') === null || Bun.which('rustc') === null) return 'there is no cargo';
    const { stdout } = spawnSync('rustc', ['--print', 'sysroot'], { encoding: 'utf8' });
    const target = join(stdout.trim(), 'lib/rustlib/wasm32-unknown-unknown');
    if (!existsSync(target)) return `Rust has no target: there is no ${target}`;
    const { PORTARIUM_CACHE, XDG_CACHE_HOME } = process.env;
    const cache = PORTARIUM_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'portarium');
    process.env.CARGO_TARGET_DIR ??= join(cache, 'rust-target');
    return undefined;
  },
  go() {
    if (Bun.which('go') === null) return 'there is no go';
    const { stdout } = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' });
    const [, minor] = /^go1\.(\d+)/.exec(stdout) ?? [];
    return Number(minor) >= 24 ? undefined : `Go 1.24 is needed, this is ${stdout.trim()}`;
  },
};
