/** Parts of WebAssembly that are refused, by the names that authors and compilers know them by. */

/**
 * What an author does about each. What is taken is WebAssembly 2.0 and tail calls, which both engines run
 * alike; the rest they run differently, or not both, or it is not needed for a plugin.
 */
export const FEATURES = {
  'threads and atomics':
    'Build for one thread: without +atomics (Rust), -pthread (C) or --enable threads (AssemblyScript).',
  'exception handling':
    'Build without exceptions: panic = "abort" (Rust), -fno-exceptions (C++); errors are returned.',
  'relaxed SIMD':
    'Switch relaxed-simd off: its results differ between machines. Plain SIMD is taken.',
  'garbage-collected types':
    'Build for linear memory: compilers that need WasmGC (Kotlin, Dart, Java) are not supported.',
  'typed references': 'Switch function-references off in your compiler.',
  'multi-memory': 'Use one memory; switch multi-memory off in your compiler.',
  memory64: 'Build for wasm32; switch memory64 off in your compiler.',
  'custom page sizes': 'Use pages of 64 KiB; switch custom-page-sizes off in your compiler.',
  'extended constant expressions':
    'Switch extended-const off, and link without position-independent code.',
  'memory control': 'Switch memory-control off in your compiler.',
  'wide arithmetic': 'Switch wide-arithmetic off in your compiler.',
  'stack switching': 'Switch stack-switching off in your compiler.',
  'half-precision floats': 'Switch fp16 off in your compiler.',
} as const;

export type Feature = keyof typeof FEATURES;
