import { expect, test } from 'bun:test';
import { INSTRUCTION_BYTES } from './bpf.ts';
import {
  ALLOW,
  ENOSYS,
  EPERM,
  failWith,
  KILL_PROCESS,
  systemCallFilter,
} from './system-call-filter.ts';
import {
  ARCHITECTURES,
  type Architecture,
  AUDIT_ARCHITECTURE,
  SYSTEM_CALLS,
  type SystemCall,
  systemCallNumber,
} from './system-calls.ts';

const PID = 4_321;
const FILTERS = {
  x86_64: systemCallFilter('x86_64', PID),
  aarch64: systemCallFilter('aarch64', PID),
};

/** What the kernel does with the program: `struct seccomp_data` in, an answer out. */
function answerOf(program: Uint8Array<ArrayBuffer>, data: DataView): number {
  const code = new DataView(program.buffer);
  let word = 0;
  for (let at = 0; ; at += INSTRUCTION_BYTES) {
    const [operation, operand] = [code.getUint16(at, true), code.getUint32(at + 4, true)];
    const jump = (yes: boolean) => {
      at += INSTRUCTION_BYTES * code.getUint8(at + (yes ? 2 : 3));
    };
    if (operation === 0x20) word = data.getUint32(operand, true);
    else if (operation === 0x54) word = (word & operand) >>> 0;
    else if (operation === 0x15) jump(word === operand);
    else if (operation === 0x35) jump(word >= operand);
    else if (operation === 0x06) return operand;
    else throw new Error(`unknown instruction ${operation}`);
  }
}

function ask(
  architecture: Architecture,
  number: number,
  args: readonly (number | bigint)[] = [],
  audit = AUDIT_ARCHITECTURE[architecture],
): number {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, audit, true);
  for (const [index, argument] of args.entries()) {
    data.setBigUint64(16 + 8 * index, BigInt.asUintN(64, BigInt(argument)), true);
  }
  return answerOf(FILTERS[architecture], data);
}

const answers = (architecture: Architecture, call: SystemCall, ...args: (number | bigint)[]) => {
  const number = systemCallNumber(call, architecture);
  if (number === undefined) throw new Error(`${architecture} has no ${call}`);
  return ask(architecture, number, args);
};

/** Reasons to be in the table beside the filter: the attacks, and the cell before it is confined. */
const DEADLY: readonly SystemCall[] = [
  ...([
    'socket',
    'connect',
    'bind',
    'getsockopt',
    'execve',
    'ptrace',
    'io_uring_setup',
    'kill',
  ] as const),
  ...(['memfd_create', 'unshare', 'bpf', 'pidfd_open', 'process_vm_readv', 'seccomp'] as const),
  'getdents64',
];

for (const architecture of ARCHITECTURES) {
  test(`on ${architecture} a cell may compute, and nothing that reaches out of it`, () => {
    for (const call of ['read', 'write', 'futex', 'mmap', 'mprotect', 'exit_group'] as const) {
      expect([call, answers(architecture, call)]).toEqual([call, ALLOW]);
    }
    for (const call of DEADLY) {
      expect([call, answers(architecture, call)]).toEqual([call, KILL_PROCESS]);
    }
    expect(answers(architecture, 'openat')).toBe(failWith(EPERM));
    expect(answers(architecture, 'clone3')).toBe(failWith(ENOSYS));
  });

  test(`on ${architecture} every call that the table does not name ends the cell`, () => {
    const known = new Set(SYSTEM_CALLS.map((call) => systemCallNumber(call, architecture)));
    for (let number = 0; number < 1_024; number++) {
      if (!known.has(number))
        expect([number, ask(architecture, number)]).toEqual([number, KILL_PROCESS]);
    }
  });

  test(`on ${architecture} arguments decide about threads, signals, sockets and descriptors`, () => {
    const check = (expected: number, call: SystemCall, ...args: (number | bigint)[]) =>
      expect([call, args, answers(architecture, call, ...args)]).toEqual([call, args, expected]);
    const thread = 0x3d0f00;
    check(ALLOW, 'clone', thread);
    check(KILL_PROCESS, 'clone', 17);
    check(KILL_PROCESS, 'clone', 0x4111);
    check(KILL_PROCESS, 'clone', thread | 0x1000_0000);
    check(ALLOW, 'tgkill', PID, 7, 12);
    check(KILL_PROCESS, 'tgkill', 1, 1, 9);
    check(ALLOW, 'socketpair', 1, 1, 0, 0);
    check(KILL_PROCESS, 'socketpair', 2, 1, 0, 0);
    check(ALLOW, 'sendto', 3, 1, 1, 0, 0, 0);
    check(KILL_PROCESS, 'sendto', 3, 1, 1, 0, 5, 16);
    check(KILL_PROCESS, 'sendto', 3, 1, 1, 0, 1n << 32n, 16);
    check(ALLOW, 'fcntl', 3, 4, 0);
    check(failWith(EPERM), 'fcntl', 3, 8, 1);
    check(failWith(EPERM), 'fcntl', 3, 10, 9);
    check(ALLOW, 'prctl', 15);
    check(failWith(EPERM), 'prctl', 1);
    check(ALLOW, 'prlimit64', 0, 3, 0, 99);
    check(ALLOW, 'prlimit64', PID, 3, 0, 99);
    check(failWith(EPERM), 'prlimit64', 0, 3, 99, 0);
    check(failWith(EPERM), 'prlimit64', 0, 3, 1n << 32n, 0);
    check(failWith(EPERM), 'prlimit64', 1, 3, 0, 99);
  });

  test(`on ${architecture} calls of another architecture end the cell`, () => {
    const read = systemCallNumber('read', architecture) ?? -1;
    const others = [
      ...Object.values(AUDIT_ARCHITECTURE).filter(
        (audit) => audit !== AUDIT_ARCHITECTURE[architecture],
      ),
      0x4000_0003, // i386
      0x4000_0028, // arm
    ];
    for (const audit of others) expect(ask(architecture, read, [], audit)).toBe(KILL_PROCESS);
    // x32 on x86_64.
    expect(ask(architecture, 0x4000_0000 + read)).toBe(KILL_PROCESS);
    expect(ask(architecture, 0xffff_ffff)).toBe(KILL_PROCESS);
  });
}
