/**
 * System calls by the C library's `syscall`, through the foreign functions of the runtime: neither has
 * seccomp of its own. Used before the first byte of a guest, and by the attacks that test the filter.
 */
import {
  type Architecture,
  architectureNamed,
  type SystemCall,
  systemCallNumber,
} from './system-calls.ts';

type Word = number | bigint;

export interface Kernel {
  readonly architecture: Architecture;
  /** What the call gives; −1 when the kernel refuses. Bytes are passed by their address. */
  call(name: SystemCall, ...args: readonly (Word | Uint8Array<ArrayBuffer>)[]): number;
  /** Where bytes lie; valid while they are referenced. */
  address(bytes: Uint8Array<ArrayBuffer>): bigint;
}

interface Foreign {
  readonly syscall: (...words: Word[]) => bigint | number;
  readonly address: (bytes: Uint8Array<ArrayBuffer>) => Word | null;
}

/** The part of `Deno` that is used here. */
interface DenoFfi {
  dlopen(
    library: string,
    symbols: object,
  ): { readonly symbols: { syscall(...words: Word[]): bigint } };
  readonly UnsafePointer: {
    of(bytes: Uint8Array<ArrayBuffer>): unknown;
    value(pointer: unknown): bigint;
  };
}

/** GNU's, then musl's. */
const LIBRARIES = ['libc.so.6', 'libc.so'];
const WORDS = Array.from({ length: 7 }, () => 'i64' as const);

/** @throws Error when the machine is of another architecture, or the C library is not found */
export async function openKernel(): Promise<Kernel> {
  const architecture = architectureNamed(process.arch);
  if (architecture === undefined) {
    throw new Error(`there is no table of system calls for ${process.arch}`);
  }
  const foreign = await openLibrary();
  const address = (bytes: Uint8Array<ArrayBuffer>) => BigInt(foreign.address(bytes) ?? 0);
  return {
    architecture,
    address,
    call(name, ...args) {
      const number = systemCallNumber(name, architecture);
      if (number === undefined) throw new Error(`${architecture} does not have ${name}`);
      const words = args.map((word) => (word instanceof Uint8Array ? address(word) : word));
      while (words.length < WORDS.length - 1) words.push(0);
      return Number(foreign.syscall(number, ...words));
    },
  };
}

async function openLibrary(): Promise<Foreign> {
  let reason: unknown;
  for (const library of LIBRARIES) {
    try {
      return 'Deno' in globalThis ? openInDeno(library) : await openInBun(library);
    } catch (error) {
      reason = error;
    }
  }
  throw new Error(`the C library can not be opened: ${reason}`);
}

function openInDeno(library: string): Foreign {
  const { Deno } = globalThis as unknown as { readonly Deno: DenoFfi };
  const { symbols } = Deno.dlopen(library, { syscall: { parameters: WORDS, result: 'i64' } });
  const address = (bytes: Uint8Array<ArrayBuffer>) =>
    Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
  return { syscall: (...words) => symbols.syscall(...words), address };
}

async function openInBun(library: string): Promise<Foreign> {
  const { dlopen, ptr } = await import('bun:ffi');
  const { symbols } = dlopen(library, { syscall: { args: WORDS, returns: 'i64' } });
  const syscall = symbols.syscall as (...words: Word[]) => bigint;
  return { syscall, address: ptr };
}

/** A name as the kernel reads it: with a zero byte at its end. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}
