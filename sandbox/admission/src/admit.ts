/**
 * Admission at upload, the part that needs only bytes and manifest. Never runs guest code, gives no byte
 * to an engine, and never throws for what an author sent. A module that passes has still to be compiled
 * and instantiated in a cell.
 */
import { type Digest, digestOf } from '@portarium/contracts/digest';
import { type AttemptLimits, PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { Manifest } from '@portarium/contracts/manifest';
import { MalformedModule } from './byte-reader.ts';
import { checkCode } from './check-code.ts';
import { FEATURES } from './features.ts';
import { ADMISSION_RULES, type Finding } from './finding.ts';
import { checkModule } from './module-rules.ts';
import { readModule, type WasmModule } from './read-module.ts';
import { functionName } from './read-names.ts';
import { memoryPages, REWRITER, rewriteModule } from './rewrite.ts';
import { checkSchemas } from './schema-rules.ts';
import { HEADER } from './sections.ts';

export interface AdmissionReport {
  /** Maximum of the rewritten memory in pages of 64 KiB; 0 without a memory. */
  readonly memoryPages: number;
  /** Each once. */
  readonly imports: readonly string[];
  /** The first of them, made safe to show: who made the module chose as many and as long ones as they liked. */
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

/**
 * @param limits the effective limits of the plugin; `memoryMiB` bounds its memory
 * @param digest of `bytes`, from a caller who has it
 */
export async function admit(
  bytes: Uint8Array,
  manifest: Manifest,
  limits: Pick<AttemptLimits, 'memoryMiB'>,
  digest?: Digest,
): Promise<Admission> {
  const findings = checkSchemas(manifest);
  const read = readBytes(bytes);
  if (!read.ok) return refused([read.finding, ...findings]);
  findings.unshift(...checkModule(read.module, manifest, limits.memoryMiB));
  findings.push(...(await codeFindings(bytes, read.module)));
  if (findings.length > 0) return refused(findings);

  const module = rewriteModule(bytes, read.module, limits.memoryMiB);
  return {
    ok: true,
    module,
    digest: digest ?? (await digestOf(bytes)),
    moduleDigest: await digestOf(module),
    rewriter: REWRITER,
    report: {
      memoryPages: memoryPages(read.module, limits.memoryMiB),
      imports: [...new Set(read.module.imports.map(({ module: from, name }) => `${from}#${name}`))],
      exports: read.module.exports
        .slice(0, MAX_EXPORTS)
        .map(({ name }) => visible(name, MAX_EXPORT_NAME)),
      sizeBytes: bytes.length,
    },
  };
}

/** Findings that a report shows; more of them say nothing new. */
const MAX_FINDINGS = 100;

function refused(findings: readonly Finding[]): Admission {
  return { ok: false, findings: findings.slice(0, MAX_FINDINGS).map(shown) };
}

/** Names that whoever made the module chose stand in findings: on one line, with nothing hidden, bounded. */
function shown(finding: Finding): Finding {
  const { message, hint, at } = finding;
  return {
    ...finding,
    message: visible(message),
    hint: visible(hint),
    ...(at === undefined ? {} : { at: visible(at) }),
  };
}

/** Stand in each answer about a version, and are read with it. */
const MAX_EXPORTS = 100;
const MAX_EXPORT_NAME = 100;

const MAX_TEXT = 500;
const NOT_SHOWN = /[^\p{L}\p{N}\p{P}\p{S} ]/gu;

function visible(text: string, most = MAX_TEXT): string {
  const head = text.slice(0, most).toWellFormed();
  const whole = head.length === text.length ? head : `${head}…`;
  return whole.replaceAll(NOT_SHOWN, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });
}

/** What is read of instructions makes sense only where everything else is known. */
async function codeFindings(bytes: Uint8Array, module: WasmModule): Promise<Finding[]> {
  if (module.features.length > 0 || module.memories.some(({ wide }) => wide)) return [];
  return (await checkCode(bytes, module)).map((error) => findingOf(bytes, error));
}

function findingOf(bytes: Uint8Array, error: MalformedModule): Finding {
  const { rule, message, feature, offset, function: index } = error;
  const hint = feature ? FEATURES[feature] : ADMISSION_RULES[rule][1];
  const byte = `byte 0x${offset.toString(16)}`;
  if (index === undefined) return { rule, message, hint, at: byte };
  const name = functionName(bytes, index);
  const called = name === undefined ? '' : ` ${JSON.stringify(name)}`;
  return { rule, message, hint, at: `function ${index}${called}, ${byte}` };
}

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
    return refuse(findingOf(bytes, error));
  }
}

function refuse(finding: Finding): { readonly ok: false; readonly finding: Finding } {
  return { ok: false, finding };
}
