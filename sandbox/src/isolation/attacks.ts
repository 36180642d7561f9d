/**
 * What a guest would try that had broken out of its engine: it is arbitrary code in the process of a
 * cell. Each attack says what it gained, or undefined. They harm nothing: signals are of number 0.
 */
import { cString, type Kernel } from './kernel.ts';

/** What the attacks are aimed at; all of it is the host's own. */
export interface AttackTarget {
  /** A process outside. */
  readonly pid: number;
  /** A loopback port that somebody listens on. */
  readonly port: number;
  /** A file outside. */
  readonly file: string;
}

export type Attack = (kernel: Kernel, target: AttackTarget) => string | undefined;

const AT_FDCWD = -100;
const AF_UNIX = 1;
const AF_INET = 2;
const AF_VSOCK = 40;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const F_SETOWN = 8;
const SIGCHLD = 17;
const PTRACE_TRACEME = 0;
const CLONE_FILES = 0x400;
/** The first descriptor behind the three pipes. */
const INHERITED = 3;

export const ATTACKS = {
  file: (kernel, { file }) => readWhole(kernel, file),
  environment: (kernel, { pid }) => readWhole(kernel, `/proc/${pid}/environ`),
  'inherited descriptor': (kernel) => readSome(kernel, INHERITED),
  socket: (kernel) => opened(kernel.call('socket', AF_INET, SOCK_STREAM, 0)),
  connection: connect,
  vsock: (kernel) => opened(kernel.call('socket', AF_VSOCK, SOCK_STREAM, 0)),
  'named socket': sendByName,
  signal: (kernel, { pid }) => (kernel.call('kill', pid, 0) === 0 ? `reached ${pid}` : undefined),
  'signal by owner': ownBy,
  'handle of a process': (kernel, { pid }) => opened(kernel.call('pidfd_open', pid, 0)),
  trace: (kernel) => (kernel.call('ptrace', PTRACE_TRACEME, 0, 0, 0) === 0 ? 'traced' : undefined),
  io_uring: (kernel) => opened(kernel.call('io_uring_setup', 4, new Uint8Array(120))),
  memfd: (kernel) => opened(kernel.call('memfd_create', cString('code'), 0)),
  namespace: (kernel) => (kernel.call('unshare', CLONE_FILES) === 0 ? 'left' : undefined),
  fork,
  execution: execute,
} as const satisfies Readonly<Record<string, Attack>>;

export type AttackName = keyof typeof ATTACKS;
export const ATTACK_NAMES = Object.keys(ATTACKS) as readonly AttackName[];

function opened(descriptor: number): string | undefined {
  return descriptor >= 0 ? `descriptor ${descriptor}` : undefined;
}

function readWhole(kernel: Kernel, path: string): string | undefined {
  const descriptor = kernel.call('openat', AT_FDCWD, cString(path), 0);
  return descriptor < 0 ? undefined : readSome(kernel, descriptor);
}

function readSome(kernel: Kernel, descriptor: number): string | undefined {
  const bytes = new Uint8Array(4_096);
  const length = kernel.call('read', descriptor, bytes, bytes.length);
  return length > 0 ? `${length} bytes` : undefined;
}

/** struct sockaddr_in: family, port, address, padding. */
function connect(kernel: Kernel, { port }: AttackTarget): string | undefined {
  const address = new DataView(new ArrayBuffer(16));
  address.setUint16(0, AF_INET, true);
  address.setUint16(2, port);
  address.setUint32(4, 0x7f00_0001);
  const bytes = new Uint8Array(address.buffer);
  const descriptor = kernel.call('socket', AF_INET, SOCK_STREAM, 0);
  const done = descriptor >= 0 && kernel.call('connect', descriptor, bytes, bytes.length) === 0;
  return done ? `reached port ${port}` : undefined;
}

/** A pair of sockets is allowed; a datagram of one to any name would reach services of the machine. */
function sendByName(kernel: Kernel, { pid }: AttackTarget): string | undefined {
  const pair = new Uint8Array(8);
  if (kernel.call('socketpair', AF_UNIX, SOCK_DGRAM, 0, pair) !== 0) return undefined;
  const [from = -1, to = -1] = new Int32Array(pair.buffer);
  const name = new Uint8Array([AF_UNIX, 0, 0, ...new TextEncoder().encode(`portarium ${pid}`)]);
  const send = () => kernel.call('sendto', from, name, 1, 0, name, name.length) === 1;
  if (send()) return 'sent to a stranger';
  return kernel.call('bind', to, name, name.length) === 0 && send() ? 'sent by name' : undefined;
}

/** Whoever owns a descriptor gets its signals: a second way to signal a process. */
function ownBy(kernel: Kernel, { pid }: AttackTarget): string | undefined {
  const pair = new Uint8Array(8);
  if (kernel.call('socketpair', AF_UNIX, SOCK_STREAM, 0, pair) !== 0) return undefined;
  const [descriptor = -1] = new Int32Array(pair.buffer);
  return kernel.call('fcntl', descriptor, F_SETOWN, pid) === 0 ? `owned by ${pid}` : undefined;
}

/** The child ends at once: it has one thread of a runtime that needs several. */
function fork(kernel: Kernel): string | undefined {
  const child = kernel.call('clone', SIGCHLD, 0, 0, 0, 0);
  if (child === 0) kernel.call('exit_group', 0);
  return child > 0 ? `process ${child}` : undefined;
}

/** When it succeeds it does not return: the shell says so in the name of the attack. */
function execute(kernel: Kernel): undefined {
  const said = JSON.stringify({ attack: 'execution', gained: 'a shell' });
  const words = ['/bin/sh', '-c', `echo '${said}'`].map(cString);
  const pointers = new BigUint64Array([...words.map((word) => kernel.address(word)), 0n]);
  const none = new Uint8Array(8);
  kernel.call('execve', words[0] ?? none, new Uint8Array(pointers.buffer), none);
}
