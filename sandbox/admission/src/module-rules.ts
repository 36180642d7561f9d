/** What a module may import, must export and may hold. Pure checks over a module that was read. */
import type { Manifest } from '@portarium/contracts/manifest';
import type { Finding } from './finding.ts';
import { type FunctionType, I32, I64, type WasmModule } from './read-module.ts';
import { WASI_FUNCTIONS, WASI_MODULE } from './wasi-functions.ts';

export const EXTISM_MODULE = 'extism:host/env';

/** The functions of the Extism plugin development kits, which the cell serves. */
export const EXTISM_FUNCTIONS: ReadonlySet<string> = new Set([
  'alloc',
  'config_get',
  'error_set',
  'free',
  'get_log_level',
  'http_headers',
  'http_request',
  'http_status_code',
  'input_length',
  'input_load_u64',
  'input_load_u8',
  'length',
  'length_unsafe',
  'load_u64',
  'load_u8',
  'log_debug',
  'log_error',
  'log_info',
  'log_trace',
  'log_warn',
  'output_set',
  'store_u64',
  'store_u8',
  'var_get',
  'var_set',
]);

export const HOST_MODULE = 'portarium:host/v1';

/** Portarium's own functions, which the cell serves: the action's clock and its random stream. */
export const HOST_FUNCTIONS: ReadonlyMap<string, FunctionType> = new Map([
  ['clock_time', { params: [], results: [I64] }],
  ['random_bytes', { params: [I64], results: [I64] }],
]);

/** Functions whose type is checked, since the cell relies on it, by the module that they are of. */
const TYPED: ReadonlyMap<string, ReadonlyMap<string, FunctionType>> = new Map([
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
      (feature): Finding => ({
        rule: 'module.feature',
        message: `the module uses ${feature}`,
        hint: 'Build for plain WebAssembly 2.0: switch that feature off in your compiler.',
      }),
    ),
    ...checkImports(module),
    ...checkExports(module, manifest),
    ...checkStart(module),
    ...checkMemory(module, memoryMiB),
    ...checkTables(module),
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
    } else if (TYPED.get(from)?.has(name)) {
      if (hasType(module, type, TYPED.get(from)?.get(name))) continue;
      findings.push({
        rule: 'import.type',
        message: `the import ${name} has another type than the host's function`,
        hint: TYPE_HINTS[from] ?? '',
        at,
      });
    } else if (from !== EXTISM_MODULE || !EXTISM_FUNCTIONS.has(name)) {
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

const TYPE_HINTS: Readonly<Record<string, string>> = {
  [HOST_MODULE]:
    'Declare clock_time as () -> i64 and random_bytes as (i64) -> i64, or use the kit’s clock and random.',
  [WASI_MODULE]: 'Declare it as preview 1 of WASI does, or leave it to your language’s library.',
};

function hasType(
  module: WasmModule,
  index: number | undefined,
  expected: FunctionType | undefined,
): boolean {
  // With refused features the types are not all known; the feature is what the author mends.
  if (module.features.length > 0) return true;
  const type = index === undefined ? undefined : module.types[index];
  return type !== undefined && JSON.stringify(type) === JSON.stringify(expected);
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
  if (from === 'env') {
    return 'AssemblyScript: pass --use abort=… so that abort is not imported from env.';
  }
  return `Import only functions of the Extism PDK, from ${EXTISM_MODULE}, and clock_time and random_bytes from ${HOST_MODULE}.`;
}

function checkExports(module: WasmModule, manifest: Manifest): Finding[] {
  const findings: Finding[] = [];
  for (const [index, operation] of manifest.operations.entries()) {
    const at = `/operations/${index}/export`;
    const found = module.exports.find(({ name }) => name === operation.export);
    if (found?.kind !== 'function') {
      const names = module.exports.filter(({ kind }) => kind === 'function').map((e) => e.name);
      findings.push({
        rule: 'export.missing',
        message: `operation ${operation.name} names the export ${operation.export}, which is ${found ? `a ${found.kind}` : 'absent'}`,
        hint: `Export a function of that name; the module exports ${names.slice(0, 20).join(', ') || 'no function'}.`,
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

function checkStart(module: WasmModule): Finding[] {
  const findings: Finding[] = module.exports
    .filter(({ name }) => name.startsWith(RESERVED_PREFIX))
    .map(({ name }) => ({
      rule: 'export.reserved',
      message: `the module exports ${name}`,
      hint: `Give it another name: those that begin with ${RESERVED_PREFIX} are kept for the sandbox.`,
      at: `export ${name}`,
    }));
  // With refused features the types are not all known; the feature is what the author mends.
  if (module.features.length > 0) return findings;
  // The engine checks this of a start section only, which the rewritten module has not.
  if (module.start !== undefined && !isProcedure(typeOf(module, module.start))) {
    findings.push({
      rule: 'start.signature',
      message: `the start section names function ${module.start}, which is absent, takes parameters or returns something`,
      hint: 'The start function has the type () -> (); build the module again.',
    });
  }
  return findings;
}

function isProcedure(type: FunctionType | undefined): boolean {
  return type !== undefined && type.params.length === 0 && type.results.length === 0;
}

function returnsStatus(results: readonly number[]): boolean {
  return results.length === 0 || (results.length === 1 && results[0] === I32);
}

function typeOf(module: WasmModule, functionIndex: number): WasmModule['types'][number] {
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
        message: `the memory is ${memory.shared ? 'shared' : '64-bit'}`,
        hint: 'Build without threads and without memory64.',
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
