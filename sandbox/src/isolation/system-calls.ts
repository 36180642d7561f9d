/**
 * Numbers of system calls, from Linux' `asm/unistd_64.h` (x86_64) and `asm-generic/unistd.h` (aarch64).
 * A call that an architecture does not have is left out there.
 */

export const ARCHITECTURES = ['x86_64', 'aarch64'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

/** `AUDIT_ARCH_…` of linux/audit.h: what seccomp calls an architecture. */
export const AUDIT_ARCHITECTURE: Readonly<Record<Architecture, number>> = {
  x86_64: 0xc000003e,
  aarch64: 0xc00000b7,
};

/** x86_64, then aarch64. */
const NUMBERS = {
  read: [0, 63],
  write: [1, 64],
  open: [2, undefined],
  close: [3, 57],
  stat: [4, undefined],
  fstat: [5, 80],
  lstat: [6, undefined],
  poll: [7, undefined],
  lseek: [8, 62],
  mmap: [9, 222],
  mprotect: [10, 226],
  munmap: [11, 215],
  brk: [12, 214],
  rt_sigaction: [13, 134],
  rt_sigprocmask: [14, 135],
  rt_sigreturn: [15, 139],
  ioctl: [16, 29],
  readv: [19, 65],
  writev: [20, 66],
  access: [21, undefined],
  sched_yield: [24, 124],
  mremap: [25, 216],
  mincore: [27, 232],
  madvise: [28, 233],
  nanosleep: [35, 101],
  getpid: [39, 172],
  socket: [41, 198],
  connect: [42, 203],
  sendto: [44, 206],
  recvfrom: [45, 207],
  bind: [49, 200],
  socketpair: [53, 199],
  getsockopt: [55, 209],
  clone: [56, 220],
  execve: [59, 221],
  exit: [60, 93],
  kill: [62, 129],
  uname: [63, 160],
  fcntl: [72, 25],
  getcwd: [79, 17],
  readlink: [89, undefined],
  gettimeofday: [96, 169],
  getrusage: [98, 165],
  sysinfo: [99, 179],
  ptrace: [101, 117],
  sigaltstack: [131, 132],
  sched_getparam: [143, 121],
  sched_getscheduler: [145, 120],
  prctl: [157, 167],
  gettid: [186, 178],
  futex: [202, 98],
  sched_getaffinity: [204, 123],
  getdents64: [217, 61],
  restart_syscall: [219, 128],
  clock_gettime: [228, 113],
  clock_getres: [229, 114],
  clock_nanosleep: [230, 115],
  exit_group: [231, 94],
  epoll_wait: [232, undefined],
  epoll_ctl: [233, 21],
  tgkill: [234, 131],
  openat: [257, 56],
  newfstatat: [262, 79],
  readlinkat: [267, 78],
  faccessat: [269, 48],
  ppoll: [271, 73],
  unshare: [272, 97],
  set_robust_list: [273, 99],
  epoll_pwait: [281, 22],
  timerfd_create: [283, 85],
  timerfd_settime: [286, 86],
  timerfd_gettime: [287, 87],
  eventfd2: [290, 19],
  epoll_create1: [291, 20],
  prlimit64: [302, 261],
  process_vm_readv: [310, 270],
  seccomp: [317, 277],
  getrandom: [318, 278],
  memfd_create: [319, 279],
  bpf: [321, 280],
  membarrier: [324, 283],
  statx: [332, 291],
  rseq: [334, 293],
  io_uring_setup: [425, 425],
  pidfd_open: [434, 434],
  clone3: [435, 435],
  close_range: [436, 436],
  openat2: [437, 437],
  faccessat2: [439, 439],
  epoll_pwait2: [441, 441],
} as const;

export type SystemCall = keyof typeof NUMBERS;
export const SYSTEM_CALLS = Object.keys(NUMBERS) as readonly SystemCall[];

/** Undefined where the architecture does not have the call. */
export function systemCallNumber(name: SystemCall, architecture: Architecture): number | undefined {
  return NUMBERS[name][ARCHITECTURES.indexOf(architecture)];
}

/** The name that Node has for it is another. Undefined for one that we have no table for. */
export function architectureNamed(nodeName: string): Architecture | undefined {
  return ({ x64: 'x86_64', arm64: 'aarch64' } as const)[nodeName];
}
