/** What admission tells an author: which rule, where, and how to mend it. */

/**
 * Every rule: what a finding of it says, and what an author does about it. Codes are stable, messages are
 * not. The last three are found on a sandbox host, which compiles the module and makes an instance of it;
 * all others from the bytes alone.
 */
export const ADMISSION_RULES = {
  'module.size': [
    'The file is larger than a module may be.',
    'Build optimised for size and strip debug sections.',
  ],
  'module.not-wasm': [
    'The bytes are no WebAssembly module of version 1.',
    'Upload the .wasm file itself: no text format, no component, no archive.',
  ],
  'module.malformed': [
    'The bytes break the binary format: cut off, sections twice or out of order, integers that are too long, names that are not UTF-8, an index of something that is not there.',
    'Build the module again; the file may be cut off or changed on its way.',
  ],
  'module.feature': [
    'The module uses a part of WebAssembly that is not taken, or not alike in all engines.',
    'Switch the feature that is named off in your compiler.',
  ],
  'module.count': [
    'There is more of something than any plugin needs: types, functions, imports, exports, segments, sections, longest names.',
    'Build optimised for size and leave unused code and names out.',
  ],
  'code.size': [
    'One function has more bytes of code than an engine compiles in good time.',
    'Split the function, or switch inlining off in your compiler.',
  ],
  'code.locals': [
    'A function, or all of them, declare too many local variables.',
    'Split the function, or build it optimised: that merges local variables.',
  ],
  'code.nesting': [
    'Blocks, loops and conditions stand too deep in each other.',
    'Split the function, or turn the long chain of conditions into a table or a loop.',
  ],
  'custom.size': [
    'Debug data and other custom sections together are larger than a module may carry.',
    'Strip debug sections: Rust strip = true, Go -ldflags="-s -w", AssemblyScript without --debug.',
  ],
  'custom.names': [
    'The section with names for people is broken, or names more than there is.',
    'Build the module again, or strip its names.',
  ],
  'import.unknown': [
    'The module imports a function that no host of plugins has.',
    'Import only what the kits import; the hint names what stands in the function’s place.',
  ],
  'import.kind': [
    'The module imports a memory, a table, a global or a tag.',
    'Define it in the module; only functions are imported.',
  ],
  'import.type': [
    'An import is declared with other parameters or results than the function has.',
    'Declare it as the hint says, or use the kit.',
  ],
  'export.missing': [
    'An operation of the manifest names an export that is absent or no function.',
    'Export a function of that name, or name another one in plugin.json.',
  ],
  'export.signature': [
    'The function of an operation takes parameters, or returns something else than an i32.',
    'Read the input and write the output by the kit; the function is () -> () or () -> i32.',
  ],
  'export.duplicate': ['Two exports have one name.', 'Give each export a name of its own.'],
  'export.reserved': [
    'An export has a name that begins with portarium:, which the sandbox makes itself.',
    'Give the export another name.',
  ],
  'start.type': [
    'The start function takes parameters or returns something.',
    'Let the start section name a function () -> ().',
  ],
  'memory.count': [
    'The module has more than one memory.',
    'Use one memory; switch multi-memory off in your compiler.',
  ],
  'memory.kind': [
    'The memory is shared between threads, or 64-bit.',
    'Build without threads and without memory64.',
  ],
  'memory.export': [
    'The module imports WASI, whose functions read and write the memory, and exports none.',
    'Export the memory under the name memory.',
  ],
  'memory.limit': [
    'The memory starts larger than the plugin’s limit.',
    'Lower the initial memory, or raise limits.memoryMiB in the manifest.',
  ],
  'table.limit': [
    'A table is shared, 64-bit, or starts with too many entries.',
    'Keep tables 32-bit and unshared; leave unused functions out.',
  ],
  'data.range': [
    'A data segment lies outside of the memory that the module starts with.',
    'Raise the initial memory to hold all data, or move the data.',
  ],
  'element.range': [
    'An element segment lies outside of the table that the module starts with.',
    'Raise the initial size of the table, or move the elements.',
  ],
  'schema.size': ['An input or output schema is too large.', 'Say less in the schema.'],
  'schema.depth': ['A schema nests too deep.', 'Flatten the schema.'],
  'schema.keyword': [
    'A schema has a keyword that is not known here.',
    'Correct it, leave it out, or name an annotation of your own x-….',
  ],
  'schema.ref': [
    'A reference of a schema leads nowhere, outside, or in a circle.',
    'Refer to #/$defs of the same schema only.',
  ],
  'schema.pattern': [
    'A pattern of a schema is no RE2 expression, too long, or one of too many.',
    'Write it without back-references and look-around, and shorter.',
  ],
  'module.invalid': [
    'The module is not valid: as a rule code that does not type-check, or a size above its own maximum.',
    'Build the module again with a released compiler; hand-written code has to pass a validator such as wasm-validate.',
  ],
  'module.costly': [
    'Compiling or instantiating the module took more time or memory than a host gives.',
    'Make the module smaller: fewer and shorter functions, less data.',
  ],
  'module.instantiate': [
    'The module compiles, but no instance of it could be made.',
    'The message is the engine’s; most often an import is used in a way that the host does not have.',
  ],
} as const satisfies Readonly<Record<string, readonly [means: string, remedy: string]>>;

export type AdmissionRule = keyof typeof ADMISSION_RULES;

export interface Finding {
  readonly rule: AdmissionRule;
  /** What is wrong, with the value that was found. */
  readonly message: string;
  /** What the author does about it. */
  readonly hint: string;
  /**
   * Where: `byte 0x1f`, `function 12 "main.run", byte 0x1f3`, an import or export, or a JSON Pointer
   * into the manifest.
   */
  readonly at?: string;
}

/**
 * Three lines for a terminal: rule and place, what is wrong, what to do.
 * @param safe makes a part fit for it, on one line
 */
export function findingText(
  { rule, message, hint, at }: Omit<Finding, 'rule'> & { readonly rule: string },
  safe: (text: string) => string = (text) => text,
): string {
  const place = at === undefined ? '' : `  at ${safe(at)}`;
  return [`  ${safe(rule)}${place}`, `      ${safe(message)}`, `      → ${safe(hint)}`].join('\n');
}
