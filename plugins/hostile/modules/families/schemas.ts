/** Manifests: schemas that cost or mean more than they seem to, and fields that are no plugin's to choose. */
import {
  type Family,
  HELD,
  type ModuleCase,
  refused,
  says,
  unread,
  type Verdict,
} from '../module-case.ts';

const RUN = '(func (export "run") (call $held))';

type Schema = Record<string, unknown>;

const schema = (name: string, danger: string, input: Schema, expect: Verdict): ModuleCase => ({
  ...{ name, danger, module: RUN, operation: { input }, expect },
});

const manifest = (name: string, danger: string, text: string, expect: Verdict): ModuleCase => ({
  ...{ name, danger, module: RUN, manifest: text, expect },
});

function deep(levels: number): Schema {
  let schemaOf: Schema = { type: 'string' };
  for (let level = 0; level < levels; level++) schemaOf = { type: 'array', items: schemaOf };
  return schemaOf;
}

const PLAIN = {
  schema: 1,
  name: 'attack',
  version: '1.0.0',
  operations: [{ name: 'run', export: 'run', effect: 'read', encoding: 'text' }],
};
const plainBut = (over: object) => JSON.stringify({ ...PLAIN, ...over });
const operation = (over: object) => plainBut({ operations: [{ ...PLAIN.operations[0], ...over }] });

/** Each definition names the one before twice: 2^30 steps of a reader that follows all. */
const laughs = Object.fromEntries(
  Array.from({ length: 30 }, (_, i) => [
    `a${i}`,
    i === 0
      ? { type: 'string' }
      : { allOf: [{ $ref: `#/$defs/a${i - 1}` }, { $ref: `#/$defs/a${i - 1}` }] },
  ]),
);

export const schemas: Family = {
  name: 'schema',
  title: 'Schemas and manifests',
  cases: [
    schema(
      'a schema on another server',
      'The Control Plane fetches it',
      { $ref: 'http://169.254.169.254/latest' },
      refused('schema.ref'),
    ),
    schema(
      'a schema in a file',
      'The Control Plane reads it',
      { $ref: 'file:///etc/passwd' },
      refused('schema.ref'),
    ),
    schema(
      'a schema of another draft',
      'Keywords that are read differently',
      { $schema: 'http://json-schema.org/draft-04/schema#', $dynamicRef: '#x' },
      refused('schema.keyword'),
    ),
    schema(
      'a misspelt keyword',
      'A check that its author believes in and nobody makes',
      { type: 'object', adittionalProperties: false },
      refused('schema.keyword'),
    ),
    schema('a dozen levels', 'A reader’s stack', deep(12), refused('schema.depth')),
    schema(
      'an enumeration of more than 64 KiB',
      'Read at each request',
      { enum: Array.from({ length: 9_000 }, (_, i) => `value${i}`) },
      refused('schema.size'),
    ),
    schema(
      'a pattern that looks around',
      'Engines that backtrack',
      { pattern: '^(?=a)(?!b)' },
      refused('schema.pattern'),
    ),
    schema(
      'a pattern that refers back',
      'Exponential time',
      { pattern: '^(a+)\\1$' },
      refused('schema.pattern'),
    ),
    schema(
      'a pattern that repeats a thousand times a thousand',
      'Memory for each state',
      { pattern: '(a{1000}){1000}' },
      refused('schema.pattern'),
    ),
    schema(
      'a pattern that is no text',
      'A reader that guesses',
      { pattern: { source: '.*' } },
      refused('schema.pattern'),
    ),
    schema(
      '10,000 different patterns',
      'Each is compiled',
      {
        properties: Object.fromEntries(
          Array.from({ length: 1_500 }, (_, i) => [`p${i}`, { pattern: `^${i}` }]),
        ),
      },
      refused('schema.pattern'),
    ),
    schema(
      'a pattern that others take exponential time for',
      'Exponential time',
      { type: 'string', pattern: '^(a+)+$' },
      HELD,
    ),
    schema(
      'a schema that refers to itself',
      'A reader that never comes to an end',
      { $ref: '#' },
      refused('schema.ref'),
    ),
    schema(
      'two schemas that refer to each other',
      'A reader that never comes to an end',
      { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } },
      refused('schema.ref'),
    ),
    schema(
      'a reference to nothing',
      'A check that nobody makes',
      { $ref: '#/$defs/none' },
      refused('schema.ref'),
    ),
    schema(
      'a reference to what all objects have',
      'Something is there, though the schema has it not',
      { $ref: '#/constructor' },
      refused('schema.ref'),
    ),
    schema(
      'thirty definitions that double each other',
      '2^30 steps for one text',
      { $ref: '#/$defs/a29', $defs: laughs },
      refused('schema.ref'),
    ),
    schema(
      'a property __proto__',
      'What all objects of the host share',
      JSON.parse('{"properties":{"__proto__":{"type":"string"}}}') as Schema,
      HELD,
    ),
    schema(
      'keywords of the wrong type',
      'A reader that guesses',
      { type: 7, properties: [], minimum: 'a' },
      refused('schema.keyword'),
    ),
    manifest(
      'the operation is a path',
      'Whatever loads a module by name',
      operation({ export: '../../bin/sh' }),
      unread('input.invalid'),
    ),
    manifest(
      'the name is a path',
      'Files beside the store',
      plainBut({ name: '../../etc/passwd' }),
      unread('input.invalid'),
    ),
    manifest(
      'the version is a path',
      'Files beside the store',
      plainBut({ version: '1.0.0/../../2.0.0' }),
      unread('input.invalid'),
    ),
    manifest(
      '65 operations',
      'Work at each upload',
      plainBut({
        operations: Array.from({ length: 65 }, (_, i) => ({
          ...PLAIN.operations[0],
          name: `run${i}`,
        })),
      }),
      unread('input.invalid'),
    ),
    manifest(
      'two operations of one name',
      'One is approved, and the other runs',
      plainBut({ operations: [PLAIN.operations[0], { ...PLAIN.operations[0], effect: 'write' }] }),
      unread('input.invalid'),
    ),
    manifest(
      'limits above the platform’s',
      'A plugin that bounds itself',
      plainBut({ limits: { wallMs: 10 ** 9, memoryMiB: 4_096 } }),
      unread('input.invalid'),
    ),
    manifest(
      'a limit below zero',
      'A comparison that is always true',
      plainBut({ limits: { cpuMs: -1 } }),
      unread('input.invalid'),
    ),
    manifest(
      'a limit that is not a whole number',
      'Pages of a half',
      plainBut({ limits: { memoryMiB: 0.5 } }),
      unread('input.invalid'),
    ),
    manifest(
      'a limit that is called as what all objects share',
      'Limits for everybody',
      plainBut({}).replace('{', '{"limits":{"__proto__":{"wallMs":1}},'),
      unread('input.invalid'),
    ),
    manifest(
      'a field that nobody knows',
      'A field of a later version, which this one does not check',
      plainBut({ hostAccess: true }),
      unread('input.invalid'),
    ),
    manifest(
      'one field twice',
      'One reader sees one, another the other',
      plainBut({}).replace('{', '{"name":"harmless",'),
      unread('request.malformed'),
    ),
    manifest(
      '100,000 brackets',
      'A parser’s stack',
      '['.repeat(100_000),
      unread('request.malformed'),
    ),
    manifest(
      'a description of a MiB',
      'Everybody who lists plugins',
      plainBut({ description: 'x'.repeat(1_048_576) }),
      unread('body.too-large'),
    ),
    manifest(
      'a zero in a text',
      'PostgreSQL can not store it',
      plainBut({ description: 'a\0b' }),
      unread('input.invalid'),
    ),
    manifest(
      'a number beyond all numbers',
      'Infinity, which is no JSON',
      plainBut({}).replace('{', '{"limits":{"wallMs":1e999},'),
      unread('request.malformed'),
    ),
    manifest(
      'another schema than 1',
      'A reader that guesses',
      plainBut({ schema: 2 }),
      unread('input.invalid'),
    ),
    manifest(
      'egress to everything',
      'A grant that nobody can read',
      plainBut({
        egress: [
          { id: 'all', methods: ['GET'], scheme: 'https', host: '**', port: 443, path: '/**' },
        ],
      }),
      unread('input.invalid'),
    ),
    manifest('a plain manifest', 'none', plainBut({}), says('held')),
  ],
};
