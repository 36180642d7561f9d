/**
 * Admission at upload: decides from bytes and manifest alone whether a module may become usable.
 * Never runs guest code and never throws for what an author sent.
 */
import { type Digest, digestOf } from '@portarium/contracts/digest';
import { type AttemptLimits, PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { Manifest } from '@portarium/contracts/manifest';
import { MalformedModule, type ReadingRule } from './byte-reader.ts';
import type { Finding } from './finding.ts';
import { checkModule } from './module-rules.ts';
import { readModule, type WasmModule } from './read-module.ts';
import { memoryPages, REWRITER, rewriteModule } from './rewrite.ts';
import { checkSchemas } from './schema-rules.ts';
import { HEADER } from './sections.ts';

export interface AdmissionReport {
  /** Maximum of the rewritten memory in pages of 64 KiB; 0 without a memory. */
  readonly memoryPages: number;
  readonly imports: readonly string[];
  readonly exports: readonly string[];
  /** Of the original bytes. */
  readonly sizeBytes: number;
}

export type Admission =
  | {
      readonly ok: true;
      /** The rewritten bytes, which cells run. */
      readonly module: Uint8Array;
      /** Of the original bytes: the plugin's identity. */
      readonly digest: Digest;
      /** Of the rewritten bytes. */
      readonly moduleDigest: Digest;
      readonly rewriter: string;
      readonly report: AdmissionReport;
    }
  | { readonly ok: false; readonly findings: readonly Finding[] };

/** @param limits the effective limits of the plugin; `memoryMiB` bounds its memory */
export async function admit(
  bytes: Uint8Array,
  manifest: Manifest,
  limits: Pick<AttemptLimits, 'memoryMiB'>,
): Promise<Admission> {
  const findings = checkSchemas(manifest);
  const read = readBytes(bytes);
  if (!read.ok) return { ok: false, findings: [read.finding, ...findings] };
  findings.unshift(...checkModule(read.module, manifest, limits.memoryMiB));
  if (findings.length > 0) return { ok: false, findings };

  const module = rewriteModule(bytes, read.module, limits.memoryMiB);
  const refusal = await engineRefusal(module);
  if (refusal) return { ok: false, findings: [refusal] };
  return {
    ok: true,
    module,
    digest: await digestOf(bytes),
    moduleDigest: await digestOf(module),
    rewriter: REWRITER,
    report: {
      memoryPages: memoryPages(read.module, limits.memoryMiB),
      imports: read.module.imports.map(({ module: from, name }) => `${from}#${name}`),
      exports: read.module.exports.map(({ name }) => name),
      sizeBytes: bytes.length,
    },
  };
}

const READING_HINTS: Readonly<Record<ReadingRule, string>> = {
  'module.malformed': 'Build the module again; the file may be cut off or changed on its way.',
  'module.count': 'Build optimised for size and leave unused code and names out.',
  'code.size': 'Split the function, or switch inlining off in your compiler.',
  'code.locals': 'Split the function, or build it optimised: that merges local variables.',
};

function readBytes(
  bytes: Uint8Array,
):
  | { readonly ok: true; readonly module: WasmModule }
  | { readonly ok: false; readonly finding: Finding } {
  if (bytes.length > PLATFORM_LIMITS.moduleBytes) {
    return refuse({
      rule: 'module.size',
      message: `the module has ${bytes.length} bytes, at most ${PLATFORM_LIMITS.moduleBytes} are taken`,
      hint: 'Build optimised for size and strip debug sections.',
    });
  }
  if (HEADER.some((byte, index) => bytes[index] !== byte)) {
    return refuse({
      rule: 'module.not-wasm',
      message: 'the bytes do not begin with the header of a WebAssembly module (version 1)',
      hint: 'Upload the .wasm file itself: no text format, no component, no archive.',
      at: 'byte 0x0',
    });
  }
  try {
    return { ok: true, module: readModule(bytes) };
  } catch (error) {
    if (!(error instanceof MalformedModule)) throw error;
    return refuse({
      rule: error.rule,
      message: error.message,
      hint: READING_HINTS[error.rule],
      at: `byte 0x${error.offset.toString(16)}`,
    });
  }
}

function refuse(finding: Finding): { readonly ok: false; readonly finding: Finding } {
  return { ok: false, finding };
}

/**
 * What the engine says against the module. It compiles on threads of its own, where `validate` would
 * hold this one: 16 MiB of nested blocks take it some 15 s, within every bound.
 */
async function engineRefusal(module: Uint8Array): Promise<Finding | undefined> {
  try {
    await WebAssembly.compile(module as Uint8Array<ArrayBuffer>);
    return undefined;
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 500) : String(error);
    return {
      rule: 'module.invalid',
      message: `the engine refuses the module: ${reason}`,
      hint: 'Build for plain WebAssembly 2.0 (no threads, no memory64, no exceptions).',
    };
  }
}
