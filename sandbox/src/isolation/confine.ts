/**
 * In the cell, before the first byte of a guest: gives up what it does not need, for good. A cell that
 * can not must not go on.
 */

import { writeSync } from 'node:fs';
import { INSTRUCTION_BYTES } from './bpf.ts';
import { checkCompiler } from './compiler-check.ts';
import { unexpectedDescriptors } from './descriptors.ts';
import { cString, type Kernel, openKernel } from './kernel.ts';
import { systemCallFilter } from './system-call-filter.ts';

/** linux/prctl.h, linux/seccomp.h, asm-generic/resource.h. */
const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_TSYNC = 1;
const RLIMIT_NPROC = 6;
const AT_FDCWD = -100;
const O_WRONLY = 1;
const STDERR = 2;

/**
 * Does what the host asks for by arguments: `--confined`, and `--threads=N` for a limit on threads within
 * an own namespace of users. Ends the process when a layer is missing.
 *
 * @returns the way to the kernel, opened before the filter was there; undefined when nothing is asked for
 */
export async function confineAsAsked(args: readonly string[]): Promise<Kernel | undefined> {
  if (!args.includes('--confined')) return undefined;
  const threads = args.find((argument) => argument.startsWith('--threads='))?.split('=')[1];
  try {
    return await confine(threads === undefined ? undefined : Number(threads));
  } catch (error) {
    writeSync(STDERR, error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
}

async function confine(threads: number | undefined): Promise<Kernel> {
  const kernel = await openKernel();
  const unexpected = unexpectedDescriptors(kernel);
  if (unexpected.length > 0) {
    throw new Error(`the cell was started with descriptors of others: ${unexpected.join(', ')}`);
  }
  if (threads !== undefined) limitThreads(kernel, threads);
  offerToBeKilled(kernel);
  installFilter(kernel);
  checkCompiler();
  return kernel;
}

/** When the machine has no memory left, it takes it from cells, and from their host last. */
function offerToBeKilled(kernel: Kernel): void {
  const file = kernel.call('openat', AT_FDCWD, cString('/proc/self/oom_score_adj'), O_WRONLY);
  const score = cString('1000').subarray(0, -1);
  const written = kernel.call('write', file, score, score.length);
  kernel.call('close', file);
  if (written !== score.length) throw new Error('the cell can not offer to be killed first');
}

function limitThreads(kernel: Kernel, most: number): void {
  const limit = new Uint8Array(new BigUint64Array([BigInt(most), BigInt(most)]).buffer);
  if (kernel.call('prlimit64', 0, RLIMIT_NPROC, limit, 0) !== 0) {
    throw new Error('the number of threads can not be limited');
  }
}

/** For every thread that the runtime has started, and those that it will start. */
function installFilter(kernel: Kernel): void {
  const filter = systemCallFilter(kernel.architecture, kernel.call('getpid'));
  // struct sock_fprog: the number of instructions, then where they are.
  const program = new DataView(new ArrayBuffer(16));
  program.setUint16(0, filter.length / INSTRUCTION_BYTES, true);
  program.setBigUint64(8, kernel.address(filter), true);
  const bytes = new Uint8Array(program.buffer);
  if (kernel.call('prctl', PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) !== 0) {
    throw new Error('privileges can not be given up');
  }
  const done = kernel.call('seccomp', SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, bytes);
  if (done !== 0) throw new Error('system calls can not be filtered: seccomp(2) refused');
}
