/**
 * What a cell may ask of the kernel: memory, its own threads, its clocks, and the descriptors that it
 * has. Whatever is not named here ends the process. Measured: what Bun 1.4.5 and Deno 2.9.6 ask for
 * while they compile, run, collect garbage, grow memory and end.
 */
import { assemble, type Step } from './bpf.ts';
import {
  type Architecture,
  AUDIT_ARCHITECTURE,
  type SystemCall,
  systemCallNumber,
} from './system-calls.ts';

/** Answers, from linux/seccomp.h. */
export const ALLOW = 0x7fff_0000;
export const KILL_PROCESS = 0x8000_0000;
export const failWith = (error: number) => 0x0005_0000 | error;
/** asm-generic/errno-base.h and errno.h. */
export const EPERM = 1;
export const ENOSYS = 38;

/** Offsets in `struct seccomp_data`, in bytes. Both architectures are little-endian. */
const NUMBER_AT = 0;
const ARCHITECTURE_AT = 4;
const ARGUMENTS_AT = 16;
/** Calls of the x32 ABI have this bit beside the number of x86_64. */
const X32_BIT = 0x4000_0000;

const PERMITTED: readonly SystemCall[] = [
  // The descriptors that it has.
  ...(['read', 'write', 'readv', 'writev', 'close', 'fstat', 'lseek'] as const),
  // Waiting for them.
  ...(['poll', 'ppoll', 'epoll_create1', 'epoll_ctl', 'epoll_wait', 'epoll_pwait'] as const),
  ...([
    'epoll_pwait2',
    'eventfd2',
    'timerfd_create',
    'timerfd_settime',
    'timerfd_gettime',
  ] as const),
  'recvfrom',
  // Its memory.
  ...(['mmap', 'munmap', 'mprotect', 'mremap', 'madvise', 'mincore', 'brk', 'membarrier'] as const),
  // Its threads and their signal handlers.
  ...(['futex', 'set_robust_list', 'rseq', 'gettid', 'getpid', 'sched_yield', 'exit'] as const),
  ...(['sched_getaffinity', 'sched_getscheduler', 'sched_getparam', 'exit_group'] as const),
  ...(['rt_sigaction', 'rt_sigprocmask', 'rt_sigreturn', 'sigaltstack'] as const),
  'restart_syscall',
  // Time, chance and size.
  ...(['clock_gettime', 'clock_getres', 'clock_nanosleep', 'nanosleep', 'gettimeofday'] as const),
  ...(['getrandom', 'getrusage', 'sysinfo', 'uname'] as const),
];

/** Runtimes try these as a matter of course, and go on without an answer. */
const REFUSED: Partial<Record<SystemCall, number>> = {
  ...{ open: EPERM, openat: EPERM, openat2: EPERM, ioctl: EPERM, getcwd: EPERM },
  ...{ stat: EPERM, lstat: EPERM, newfstatat: EPERM, statx: EPERM, readlink: EPERM },
  ...{ readlinkat: EPERM, access: EPERM, faccessat: EPERM, faccessat2: EPERM },
  // The flags of clone3 lie in memory, where a filter can not look: the C library takes clone then.
  clone3: ENOSYS,
};

/** A call that is allowed if the word of one argument, masked, is one of these. */
interface Condition {
  readonly argument: number;
  readonly mask?: number;
  /** Compares the upper half of the argument instead: pointers have 64 bits, integers 32. */
  readonly upper?: boolean;
  readonly values: readonly number[];
}

interface ConditionalRule {
  readonly call: SystemCall;
  /** All of them. */
  readonly conditions: readonly Condition[];
  readonly otherwise: number;
}

/** linux/sched.h: a thread of this process, and none of the flags that make namespaces. */
const CLONE_THREAD = 0x0001_0000;
const CLONE_NEW =
  0x0002_0000 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000;
const AF_UNIX = 1;
/** linux/prctl.h: names of threads and of memory. */
const PR_SET_NAME = 15;
const PR_SET_VMA = 0x5356_4d41;
/** linux/fcntl.h. Not F_SETOWN: it sends signals to other processes. */
const F_GETFD_TO_SETFL = [1, 2, 3, 4];
const F_DUPFD_CLOEXEC = 1_030;

const isNull = (argument: number): readonly Condition[] => [
  { argument, values: [0] },
  { argument, upper: true, values: [0] },
];

function conditionalRules(pid: number): readonly ConditionalRule[] {
  const threads = { argument: 0, mask: CLONE_THREAD | CLONE_NEW, values: [CLONE_THREAD] };
  const commands = { argument: 1, values: [...F_GETFD_TO_SETFL, F_DUPFD_CLOEXEC] };
  const names = { argument: 0, values: [PR_SET_NAME, PR_SET_VMA] };
  return [
    { call: 'clone', conditions: [threads], otherwise: KILL_PROCESS },
    { call: 'tgkill', conditions: [{ argument: 0, values: [pid] }], otherwise: KILL_PROCESS },
    // No address: a socket of a pair could reach others by name.
    { call: 'sendto', conditions: isNull(4), otherwise: KILL_PROCESS },
    {
      call: 'socketpair',
      conditions: [{ argument: 0, values: [AF_UNIX] }],
      otherwise: KILL_PROCESS,
    },
    { call: 'fcntl', conditions: [commands], otherwise: failWith(EPERM) },
    { call: 'prctl', conditions: [names], otherwise: failWith(EPERM) },
    // The limits of a thread's stack are read, never set, and of no other process.
    {
      call: 'prlimit64',
      conditions: [{ argument: 0, values: [0, pid] }, ...isNull(2)],
      otherwise: failWith(EPERM),
    },
  ];
}

/**
 * The filter of one cell, ready for `SECCOMP_SET_MODE_FILTER`.
 *
 * @param pid of the cell as the cell itself sees it: only its own threads get its signals
 */
export function systemCallFilter(architecture: Architecture, pid: number): Uint8Array<ArrayBuffer> {
  const steps: Step[] = [
    { load: ARCHITECTURE_AT },
    { equal: AUDIT_ARCHITECTURE[architecture], no: 'foreign' },
    { load: NUMBER_AT },
    { atLeast: X32_BIT, no: 'native' },
    { label: 'foreign' },
    { answer: KILL_PROCESS },
    { label: 'native' },
  ];
  const rule = (call: SystemCall, body: readonly Step[]) => {
    const number = systemCallNumber(call, architecture);
    if (number === undefined) return;
    steps.push({ equal: number, no: `after ${call}` }, ...body, { label: `after ${call}` });
  };
  for (const call of PERMITTED) rule(call, [{ answer: ALLOW }]);
  for (const [call, error] of Object.entries(REFUSED)) {
    rule(call as SystemCall, [{ answer: failWith(error) }]);
  }
  for (const conditional of conditionalRules(pid)) rule(conditional.call, checks(conditional));
  return assemble([...steps, { answer: KILL_PROCESS }]);
}

function checks({ call, conditions, otherwise }: ConditionalRule): readonly Step[] {
  const refused = `${call} refused`;
  const steps = conditions.flatMap(({ argument, mask, upper, values }, index): Step[] => {
    const held = `${call} ${index} held`;
    const tests = values.map((equal): Step => ({ equal, yes: held }));
    const last = tests.pop();
    if (last === undefined) return [];
    return [
      { load: ARGUMENTS_AT + 8 * argument + (upper ? 4 : 0) },
      ...(mask === undefined ? [] : [{ and: mask }]),
      ...tests,
      { ...last, no: refused },
      { label: held },
    ];
  });
  return [...steps, { answer: ALLOW }, { label: refused }, { answer: otherwise }];
}
