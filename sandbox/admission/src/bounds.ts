/**
 * How much of anything a module may hold. Real modules of 16 MiB stay below each of these; engines spend
 * time and memory on each item.
 */
export const MODULE_BOUNDS = {
  sections: 256,
  types: 20_000,
  /** An engine handles each of them again wherever a call or a block has the type. */
  parameters: 100,
  /** Each is a value that two bytes of code put on the engine's stack. */
  results: 16,
  imports: 1_000,
  functions: 100_000,
  exports: 10_000,
  globals: 10_000,
  globalBytes: 1024 * 1024,
  /** Tables, and memories before more than one is refused. */
  tables: 100,
  elementSegments: 10_000,
  elementEntries: 100_000,
  elementBytes: 1024 * 1024,
  dataSegments: 100_000,
  nameBytes: 4_096,
  /** Keeps what one body can put on the engine's stack below some hundred mebibytes. */
  functionBytes: 1024 * 1024,
  /** Real functions have hundreds; an interpreter's main loop some thousands. */
  locals: 10_000,
  localsOfAll: 1_000_000,
  /** Go and Rust reach some hundreds. Far deeper ones take a compiler time that grows faster than the code. */
  nesting: 5_000,
  /** Both engines take about that many. */
  branches: 50_000,
  /** Names of a large program, and the debug data of a small one. */
  customBytes: 8 * 1024 * 1024,
  /** In the section with names for people; generics of Go and Rust have the longest. */
  debugNameBytes: 16_384,
} as const;
