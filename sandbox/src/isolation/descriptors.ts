/**
 * Descriptors that a cell must not have. A cell looks at its own through the kernel: on Deno it has no
 * permission to read.
 */
import { cString, type Kernel, openKernel } from './kernel.ts';

const AT_FDCWD = -100;
const O_DIRECTORY_CLOEXEC = { x86_64: 0x9_0000, aarch64: 0x8_4000 } as const;
const OWN = '/proc/self/fd';
/** asm-generic/socket.h. */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/** Runtimes make these for their own event loop, and they lead nowhere else. */
const OF_THE_RUNTIME = new Set(['anon_inode:[eventpoll]', 'anon_inode:[eventfd]', '/dev/null']);

/** linux/close_range.h. */
const CLOSE_RANGE_CLOEXEC = 4;
const LAST_DESCRIPTOR = 0xffff_ffff;

/**
 * In the host: what it inherited itself, from a shell or a supervisor, does not go on to its cells. Bun
 * sees to that by itself, Deno does not. Where it can not be done, cells refuse to start.
 */
export async function keepDescriptors(): Promise<void> {
  if (process.platform !== 'linux') return;
  const kernel = await openKernel();
  kernel.call('close_range', 3, LAST_DESCRIPTOR, CLOSE_RANGE_CLOEXEC);
}

/**
 * What the process holds beside its three pipes and what its runtime made: names as of `/proc/self/fd`.
 *
 * @throws Error where there is no `/proc`
 */
export function unexpectedDescriptors(kernel: Kernel): readonly string[] {
  const directory = kernel.call(
    'openat',
    AT_FDCWD,
    cString(OWN),
    O_DIRECTORY_CLOEXEC[kernel.architecture],
  );
  if (directory < 0) throw new Error(`${OWN} can not be read, so descriptors can not be checked`);
  try {
    const open = listed(kernel, directory).filter((number) => number !== directory);
    const targets = new Map(open.map((number) => [number, target(kernel, directory, number)]));
    const pipes = new Set([0, 1, 2].map((number) => targets.get(number)));
    return [...targets]
      .filter(([number, name]) => !pipes.has(name) && !isOwn(kernel, number, name))
      .map(([number, name]) => `${number} (${name})`);
  } finally {
    kernel.call('close', directory);
  }
}

/** A socket counts as own when its other end was made here: a pair that wakes the event loop. */
function isOwn(kernel: Kernel, number: number, name: string): boolean {
  if (OF_THE_RUNTIME.has(name)) return true;
  if (!name.startsWith('socket:')) return false;
  // struct ucred: pid, uid, gid.
  const credentials = new Uint8Array(12);
  const length = new Uint8Array(new Uint32Array([credentials.length]).buffer);
  const asked = kernel.call('getsockopt', number, SOL_SOCKET, SO_PEERCRED, credentials, length);
  return (
    asked === 0 && new DataView(credentials.buffer).getInt32(0, true) === kernel.call('getpid')
  );
}

/** Reads `struct linux_dirent64`: inode, offset, length of the record, type, name. */
function listed(kernel: Kernel, directory: number): readonly number[] {
  const numbers: number[] = [];
  const records = new Uint8Array(32 * 1024);
  for (;;) {
    const length = kernel.call('getdents64', directory, records, records.length);
    if (length < 0) throw new Error(`${OWN} can not be listed`);
    if (length === 0) return numbers;
    for (let at = 0; at < length; ) {
      const size = records[at + 16] ?? 0;
      const end = records.indexOf(0, at + 19);
      const name = new TextDecoder().decode(records.slice(at + 19, end));
      if (/^\d+$/.test(name)) numbers.push(Number(name));
      at += size;
    }
  }
}

function target(kernel: Kernel, directory: number, number: number): string {
  const name = new Uint8Array(4_096);
  const length = kernel.call('readlinkat', directory, cString(String(number)), name, name.length);
  return length < 0 ? 'unreadable' : new TextDecoder().decode(name.slice(0, length));
}
