/** Cases whose verdict is still wrong, with the branch that mends it. Empty when all is well. */
export const PENDING: ReadonlyMap<string, string> = new Map([
  ...pending(
    'admission',
    'memory: has a data segment behind its memory',
    'memory: has a data segment at the last address of 32 bits',
    'memory: chooses its own size of pages',
    'table: has an element segment behind its table',
    'table: has an element segment at the last index of 32 bits',
    'depth: 100,000 blocks inside each other',
    'depth: 100,000 loops inside each other',
    'depth: 100,000 conditions inside each other',
    'size: a custom section of 8 MiB',
    'size: 10,000 custom sections',
    'size: 1,000 exports with long names, and not the one that is called',
    'malformed: two exports of one name',
    'malformed: a start function that takes parameters',
    'malformed: a start function that returns something',
    'malformed: a memory whose maximum does not exist',
    'feature: waits on an address',
    'feature: adds to memory in one step',
    'feature: catches everything',
    'feature: computes with relaxed rounding',
    'feature: switches stacks',
    'feature: multiplies to 128 bits',
    'import: imports alloc from extism:host/env\\00',
    'import: imports alloc from extism:host/env\\e2\\80\\8b',
    'import: imports alloc as (param i32) (result i32)',
    'import: imports output_set as (param externref)',
    'import: imports input_length as (result f64)',
    'text: an import whose name clears the screen',
    'text: exports whose names run backwards',
    'schema: a schema that refers to itself',
    'schema: two schemas that refer to each other',
    'schema: a reference to nothing',
    'schema: a reference to what all objects have',
    'schema: thirty definitions that double each other',
    'schema: keywords of the wrong type',
  ),
  ...pending(
    'wasi',
    'loop: around a call of the host in the start section',
    'host-call: sends a request in its start section',
  ),
]);

function pending(branch: string, ...titles: string[]): [string, string][] {
  return titles.map((title) => [title, branch]);
}
