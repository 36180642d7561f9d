/**
 * Builds a pinned server from its Go module into a private folder. The Go checksum database proves
 * the source; nothing of the person's own Go settings but proxies and caches is used.
 */
import { cpSync, existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { withDeathSignal } from '../process/death-signal.ts';
import { type CommandResult, runCommand } from '../process/run-command.ts';
import type { StepResult } from './download-release.ts';
import type { ServerBinary } from './server-binary.ts';

/** Go asks its proxy for one small file first: without a network that fails at once. */
const REACH_TIMEOUT_MS = 20_000;
const BUILD_TIMEOUT_MS = 30 * 60_000;
const PROGRESS_EVERY_MS = 10_000;

export interface GoInstallOptions {
  readonly binary: ServerBinary;
  readonly workFolder: string;
  /** Environment of the go command; GOBIN and GOFLAGS are set here. */
  readonly env: Readonly<Record<string, string>>;
  readonly onProgress: (detail: string) => void;
}

export async function goInstall(options: GoInstallOptions): Promise<StepResult> {
  const { binary, workFolder, onProgress } = options;
  const env = { ...options.env, GOBIN: workFolder, GOFLAGS: '', GO111MODULE: 'on' };
  const began = Date.now();
  const version = await runCommand('go', ['version'], { env, timeoutMs: REACH_TIMEOUT_MS });
  if (!version.ok) {
    return { ok: false, reason: 'there is no Go toolchain on PATH (https://go.dev/dl)' };
  }
  const module = `${binary.goModule}@v${binary.version}`;
  onProgress(`asking the Go module proxy for ${module}`);
  const reached = await runCommand('go', ['list', '-m', module], {
    env,
    cwd: workFolder,
    timeoutMs: REACH_TIMEOUT_MS,
  });
  if (!reached.ok) {
    return { ok: false, reason: `the Go module proxy was not reached: ${lastLine(reached)}` };
  }
  const tell = (): void => {
    const seconds = Math.round((Date.now() - began) / 1_000);
    onProgress(`go install ${module}: ${seconds} s (takes ${binary.buildTakes})`);
  };
  tell();
  const timer = setInterval(tell, PROGRESS_EVERY_MS);
  const linker = binary.goVersionVariable === undefined ? '' : ` -X ${binary.goVersionVariable}`;
  const flags = ['-ldflags', `-s -w${linker}`];
  const args = ['install', ...flags, `${binary.goPackage}@v${binary.version}`];
  const own = ['build', ...flags, '-mod=mod', '-o', join(workFolder, binary.name), '.'];
  const command = withDeathSignal('go', binary.goFolder === undefined ? args : own, 'KILL');
  const cwd = binary.goFolder === undefined ? workFolder : copyOf(binary.goFolder, workFolder);
  const built = await runCommand(command.file, command.args, {
    env,
    cwd,
    timeoutMs: BUILD_TIMEOUT_MS,
  }).finally(() => clearInterval(timer));
  if (!built.ok) return { ok: false, reason: `go install failed: ${lastLine(built)}` };
  const name = binary.goFolder === undefined ? builtName(binary.goPackage) : binary.name;
  const file = join(workFolder, name);
  return existsSync(file)
    ? { ok: true, file }
    : { ok: false, reason: `go install ended well but made no ${file}` };
}

/** Go completes `go.mod` there, and leaves the clone as it is. */
function copyOf(folder: string, workFolder: string): string {
  const copy = join(workFolder, 'source');
  cpSync(folder, copy, { recursive: true });
  return copy;
}

/** Go names a binary after the last path element that is no major version. */
function builtName(goPackage: string): string {
  const last = basename(goPackage);
  return /^v\d+$/.test(last) ? basename(goPackage.slice(0, -last.length - 1)) : last;
}

function lastLine(result: CommandResult): string {
  if (result.timedOut) return 'no answer in time';
  return result.output.trim().split('\n').at(-1) ?? 'no output';
}
