/** What a module may import, must export and may hold. Pure checks over a module that was read. */
import type { Manifest } from '@portarium/contracts/manifest';
import { FEATURES } from './features.ts';
import type { Finding } from './finding.ts';
import type { FunctionType, WasmModule } from './read-module.ts';
import type { Segment } from './read-segments.ts';
import { I32, I64 } from './read-types.ts';
import { WASI_FUNCTIONS, WASI_MODULE } from './wasi-functions.ts';

export const EXTISM_MODULE = 'extism:host/env';

/** The functions of the Extism plugin development kits, which the cell serves, as the kits declare them. */
export const EXTISM_FUNCTIONS: ReadonlyMap<string, FunctionType> = new Map([
  ['alloc', { params: [I64], results: [I64] }],
  ['config_get', { params: [I64], results: [I64] }],
  ['error_set', { params: [I64], results: [] }],
  ['free', { params: [I64], results: [] }],
  ['get_log_level', { params: [], results: [I32] }],
  ['http_headers', { params: [], results: [I64] }],
  ['http_request', { params: [I64, I64], results: [I64] }],
  ['http_status_code', { params: [], results: [I32] }],
  ['input_length', { params: [], results: [I64] }],
  ['input_load_u64', { params: [I64], results: [I64] }],
  ['input_load_u8', { params: [I64], results: [I32] }],
  ['length', { params: [I64], results: [I64] }],
  ['length_unsafe', { params: [I64], results: [I64] }],
  ['load_u64', { params: [I64], results: [I64] }],
  ['load_u8', { params: [I64], results: [I32] }],
  ['log_debug', { params: [I64], results: [] }],
  ['log_error', { params: [I64], results: [] }],
  ['log_info', { params: [I64], results: [] }],
  ['log_trace', { params: [I64], results: [] }],
  ['log_warn', { params: [I64], results: [] }],
  ['output_set', { params: [I64, I64], results: [] }],
  ['store_u64', { params: [I64, I64], results: [] }],
  ['store_u8', { params: [I64, I32], results: [] }],
  ['var_get', { params: [I64], results: [I64] }],
  ['var_set', { params: [I64, I64], results: [] }],
]);

export const HOST_MODULE = 'portarium:host/v1';

/** Portarium's own functions, which the cell serves: the action's clock and its random stream. */
export const HOST_FUNCTIONS: ReadonlyMap<string, FunctionType> = new Map([
  ['clock_time', { params: [], results: [I64] }],
  ['random_bytes', { params: [I64], results: [I64] }],
]);

/** Functions that may be imported, by the module that they are of. */
const SERVED: ReadonlyMap<string, ReadonlyMap<string, FunctionType>> = new Map([
  [EXTISM_MODULE, EXTISM_FUNCTIONS],
  [HOST_MODULE, HOST_FUNCTIONS],
  [WASI_MODULE, WASI_FUNCTIONS],
]);

/** Exports of this prefix are the rewriter's to make. */
const RESERVED_PREFIX = 'portarium:';

/** 64 KiB pages of WebAssembly in a mebibyte. */
export const PAGES_PER_MIB = 16;

/** Most entries of a table. Engines differ widely above 10,000,000; plugins need hundreds. */
export const MAX_TABLE_ENTRIES = 10_000;

export function importsWasi(module: WasmModule): boolean {
  return module.imports.some(({ module: from }) => from === WASI_MODULE);
}

export function checkModule(module: WasmModule, manifest: Manifest, memoryMiB: number): Finding[] {
  return [
    ...module.features.map(
      ({ feature, offset }): Finding => ({
        rule: 'module.feature',
        message: `the module uses ${feature}`,
        hint: FEATURES[feature],
        at: `byte 0x${offset.toString(16)}`,
      }),
    ),
    ...checkImports(module),
    ...checkExports(module, manifest),
    ...checkStart(module),
    ...checkMemory(module, memoryMiB),
    ...checkTables(module),
    ...checkSegments(module),
  ];
}

function checkImports(module: WasmModule): Finding[] {
  const findings: Finding[] = [];
  for (const { module: from, name, kind, type } of module.imports) {
    const at = `import ${from}#${name}`;
    if (kind !== 'function') {
      findings.push({
        rule: 'import.kind',
        message: `the module imports a ${kind}`,
        hint: 'Only functions may be imported; define memory, tables and globals in the module.',
        at,
      });
      continue;
    }
    const served = SERVED.get(from)?.get(name);
    if (served) {
      if (hasType(module, type, served)) continue;
      findings.push({
        rule: 'import.type',
        message: `the import ${name} has another type than the host's function`,
        hint: `Declare it as ${typeText(served)}, or let the kit do so.`,
        at,
      });
    } else {
      findings.push({
        rule: 'import.unknown',
        message: `unknown import ${name}`,
        at,
        hint: importHint(from, name),
      });
    }
  }
  return findings;
}

function hasType(module: WasmModule, index: number | undefined, expected: FunctionType): boolean {
  // With refused features the types are not all known; the feature is what the author mends.
  if (module.features.length > 0) return true;
  const type = index === undefined ? undefined : module.types[index];
  return type !== undefined && JSON.stringify(type) === JSON.stringify(expected);
}

const VALUE_NAMES: Readonly<Record<number, string>> = { [I32]: 'i32', [I64]: 'i64' };

function typeText({ params, results }: FunctionType): string {
  const names = (types: readonly number[]) => types.map((type) => VALUE_NAMES[type]).join(', ');
  return `(${names(params)}) -> ${results.length === 0 ? '()' : names(results)}`;
}

/** What AssemblyScript imports for `Math.random`, `Date.now` and the like. */
const MACHINE_STATE = /^(seed|Date\.|performance\.|crypto\.)/;

function importHint(from: string, name: string): string {
  if (from.startsWith('wasi')) {
    return `Of WASI, preview 1 is served (${WASI_MODULE}); build for wasip1 or for wasm32-unknown-unknown.`;
  }
  if (from === 'env' && MACHINE_STATE.test(name)) {
    return `Use random.number() instead of Math.random(), and clock.nowMs() instead of Date.now(), both of @portarium/sdk/assembly; other languages import random_bytes and clock_time from ${HOST_MODULE}.`;
  }
  if (from === 'env' && name === 'abort') {
    return 'AssemblyScript: pass --use abort=… so that abort is not imported from env.';
  }
  if (from === 'env') {
    return `Nothing is served from env: it is where compilers look for what a program declares and no library defines. Define or link ${name}, or leave out what calls it; hosts have ${EXTISM_MODULE}, ${HOST_MODULE} and ${WASI_MODULE}.`;
  }
  return `Import only functions of the Extism PDK, from ${EXTISM_MODULE}, and clock_time and random_bytes from ${HOST_MODULE}.`;
}

function checkExports(module: WasmModule, manifest: Manifest): Finding[] {
  const findings = [...duplicateExports(module), ...reservedExports(module)];
  for (const [index, operation] of manifest.operations.entries()) {
    const at = `/operations/${index}/export`;
    const found = module.exports.find(({ name }) => name === operation.export);
    if (found?.kind !== 'function') {
      const names = module.exports.filter(({ kind }) => kind === 'function').map((e) => e.name);
      findings.push({
        rule: 'export.missing',
        message: `operation ${operation.name} names the export ${operation.export}, which is ${found ? `a ${found.kind}` : 'absent'}`,
        hint: `Export a function of that name; the module exports ${
          names
            .slice(0, 20)
            .map((name) => name.slice(0, 60))
            .join(', ') || 'no function'
        }.`,
        at,
      });
      continue;
    }
    const type = typeOf(module, found.index);
    // With refused features the types are not all known; the feature is what the author mends.
    if (module.features.length > 0) continue;
    if (!type || type.params.length > 0 || !returnsStatus(type.results)) {
      findings.push({
        rule: 'export.signature',
        message: `the export ${operation.export} takes parameters or returns something else than an i32`,
        hint: 'Use the PDK’s input and output calls; the function itself has the type () -> () or () -> i32.',
        at,
      });
    }
  }
  return findings;
}

function duplicateExports({ exports }: WasmModule): Finding[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const { name } of exports) (seen.has(name) ? twice : seen).add(name);
  return [...twice].map((name) => ({
    rule: 'export.duplicate',
    message: `more than one export has the name ${JSON.stringify(name)}`,
    hint: 'Give each export a name of its own.',
    at: `export ${name}`,
  }));
}

function reservedExports({ exports }: WasmModule): Finding[] {
  return exports
    .filter(({ name }) => name.startsWith(RESERVED_PREFIX))
    .map(({ name }) => ({
      rule: 'export.reserved',
      message: `the module exports ${name}`,
      hint: `Give it another name: those that begin with ${RESERVED_PREFIX} are kept for the sandbox.`,
      at: `export ${name}`,
    }));
}

/** The engine checks this of a start section only, which the rewritten module has not. */
function checkStart(module: WasmModule): Finding[] {
  if (module.start === undefined || module.features.length > 0) return [];
  const type = typeOf(module, module.start);
  if (type && type.params.length === 0 && type.results.length === 0) return [];
  return [
    {
      rule: 'start.type',
      message: 'the start function takes parameters or returns something',
      hint: 'Let the start section name a function () -> (), or leave it out.',
      at: `function ${module.start}`,
    },
  ];
}

function returnsStatus(results: readonly number[]): boolean {
  return results.length === 0 || (results.length === 1 && results[0] === I32);
}

function typeOf(module: WasmModule, functionIndex: number): FunctionType | undefined {
  const imported = module.imports.filter(({ kind }) => kind === 'function');
  const typeIndex =
    functionIndex < imported.length
      ? imported[functionIndex]?.type
      : module.functions[functionIndex - imported.length];
  return typeIndex === undefined ? undefined : module.types[typeIndex];
}

function checkMemory(module: WasmModule, memoryMiB: number): Finding[] {
  const findings: Finding[] = [];
  if (module.memories.length > 1) {
    findings.push({
      rule: 'memory.count',
      message: `the module has ${module.memories.length} memories`,
      hint: 'Use one memory; switch multi-memory off in your compiler.',
    });
  }
  const exported = module.exports.some(({ name, kind }) => name === 'memory' && kind === 'memory');
  if (importsWasi(module) && !exported) {
    findings.push({
      rule: 'memory.export',
      message: 'the module imports WASI and exports no memory of the name memory',
      hint: 'Export the memory as memory: the functions of WASI read and write there.',
    });
  }
  const pages = memoryMiB * PAGES_PER_MIB;
  for (const memory of module.memories) {
    if (memory.shared || memory.wide) {
      findings.push({
        rule: 'memory.kind',
        message: `the memory is ${memory.shared ? 'shared (threads)' : '64-bit (memory64)'}`,
        hint: FEATURES[memory.shared ? 'threads and atomics' : 'memory64'],
      });
    } else if (memory.initial > pages) {
      findings.push({
        rule: 'memory.limit',
        message: `the memory starts with ${memory.initial} pages of 64 KiB, the limit is ${pages}`,
        hint: `Lower the initial memory, or raise limits.memoryMiB in the manifest above ${memoryMiB}.`,
      });
    }
  }
  return findings;
}

function checkTables(module: WasmModule): Finding[] {
  return module.tables.flatMap(({ limits }): Finding[] => {
    if (!limits.shared && !limits.wide && limits.initial <= MAX_TABLE_ENTRIES) return [];
    return [
      {
        rule: 'table.limit',
        message: `a table is shared, 64-bit, or starts with more than ${MAX_TABLE_ENTRIES} entries (${limits.initial})`,
        hint: `Keep tables 32-bit, unshared and at most ${MAX_TABLE_ENTRIES} entries long.`,
      },
    ];
  });
}

const PAGE_BYTES = 65_536;

/** An engine would trap over these when the module starts, each time anew. */
function checkSegments({ memories, tables, data, elements }: WasmModule): Finding[] {
  return [
    ...data.flatMap((segment, index) => {
      const bytes = (memories[segment.target ?? 0]?.initial ?? 0) * PAGE_BYTES;
      const finding = outside(segment, bytes, {
        rule: 'data.range',
        message: `data segment ${index} ends at byte`,
        hint: `Raise the initial memory (now ${bytes} bytes) to hold all data, or move the data.`,
      });
      return memories.length === 0 ? [] : finding;
    }),
    ...elements.flatMap((segment, index) => {
      const entries = tables[segment.target ?? 0]?.limits.initial ?? 0;
      const finding = outside(segment, entries, {
        rule: 'element.range',
        message: `element segment ${index} ends at entry`,
        hint: `Raise the initial size of the table (now ${entries}), or move the elements.`,
      });
      return tables.length === 0 ? [] : finding;
    }),
  ];
}

function outside(
  { at, target, offset, length }: Segment,
  size: number,
  finding: Omit<Finding, 'at'>,
): Finding[] {
  if (target === undefined || offset === undefined || offset + length <= size) return [];
  const message = `${finding.message} ${offset + length}, outside of the ${size} there are at the start`;
  return [{ ...finding, message, at: `byte 0x${at.toString(16)}` }];
}
