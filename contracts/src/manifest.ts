/** `plugin.json`: what a plugin says of itself. Untrusted until admission has read it. */
import * as v from 'valibot';
import { CREDENTIAL_KINDS } from './credential-placement.ts';
import { type ExampleAnswer, ExampleAnswerSchema } from './example-answer.ts';
import { GrantableRulesSchema } from './grantable-rules.ts';
import { EFFECTS } from './life-cycle.ts';
import { LimitsRequestSchema } from './limits.ts';
import { plainRecord } from './plain-record.ts';
import { PluginNameSchema } from './plugin-name.ts';
import { RETENTION_CLASSES } from './retention-class.ts';

const text = v.pipe(v.string(), v.maxLength(2_000));

/**
 * Semantic Versioning 2.0.0, without build metadata; also with zeros before the numbers of a preview, which
 * versions may have that were uploaded before this was refused.
 */
export const VersionSchema = v.pipe(
  v.string(),
  v.maxLength(64),
  v.regex(
    /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$/,
    'expected a semantic version such as 1.2.0',
  ),
);

/** As an author may write it: of two versions one comes first, since 1.0.0-01 would be neither before nor after 1.0.0-1. */
const NewVersionSchema = v.pipe(
  VersionSchema,
  v.check(
    (version) => !/^[^-]+-(.+\.)?0\d+(\.|$)/.test(version),
    'expected a semantic version; a number of its preview begins with a zero',
  ),
);

/** A JSON Schema as an object; admission checks that it stays in the bounded subset. */
const jsonSchema = plainRecord(v.string(), v.unknown());

const operationFields = v.strictObject({
  name: v.pipe(v.string(), v.regex(/^[a-zA-Z][a-zA-Z0-9]{0,62}$/, 'expected letters and digits')),
  export: v.pipe(v.string(), v.regex(/^[a-zA-Z_][a-zA-Z0-9_]{0,126}$/, 'expected an export name')),
  effect: v.picklist(EFFECTS),
  encoding: v.optional(v.picklist(['json', 'text', 'bytes']), 'json'),
  description: v.optional(text),
  input: v.optional(jsonSchema, {}),
  output: v.optional(jsonSchema, {}),
  examples: v.optional(
    v.pipe(
      v.array(
        v.strictObject({
          input: v.unknown(),
          output: v.unknown(),
          /** What its writes are answered with in a dry run, the first that matches. */
          answers: v.optional(v.pipe(v.array(ExampleAnswerSchema), v.maxLength(32))),
        }),
      ),
      v.maxLength(32),
    ),
    [],
  ),
  /** How long what its actions leave behind is kept: 30, 365 or 2,555 days, or longer where a workspace says so. */
  retention: v.optional(v.picklist(RETENTION_CLASSES)),
});

export const OperationSchema = v.pipe(
  operationFields,
  v.forward(
    v.partialCheck(
      [['effect'], ['retention']],
      ({ effect, retention }) => effect === 'read' || retention !== 'operational',
      'what a write did is kept for 365 days at least; leave retention out, or name compliance or forensic',
    ),
    ['retention'],
  ),
);

export type Operation = v.InferOutput<typeof OperationSchema>;

const fields = v.strictObject({
  schema: v.literal(1),
  name: PluginNameSchema,
  version: NewVersionSchema,
  description: v.optional(text, ''),
  licence: v.optional(v.pipe(v.string(), v.maxLength(64))),
  operations: v.pipe(
    v.array(OperationSchema),
    v.minLength(1),
    v.maxLength(64),
    v.check(
      (operations) => new Set(operations.map((o) => o.name)).size === operations.length,
      'each operation needs a name of its own',
    ),
  ),
  egress: v.optional(GrantableRulesSchema, []),
  credentials: v.optional(
    v.pipe(
      v.array(
        v.strictObject({
          slot: PluginNameSchema,
          kind: v.picklist(CREDENTIAL_KINDS),
          host: v.pipe(v.string(), v.maxLength(255)),
          description: v.optional(text, ''),
        }),
      ),
      v.maxLength(16),
    ),
    [],
  ),
  config: v.optional(
    plainRecord(
      v.pipe(v.string(), v.regex(/^[a-zA-Z][a-zA-Z0-9_]{0,62}$/)),
      v.strictObject({
        type: v.literal('string'),
        default: v.optional(v.pipe(v.string(), v.maxLength(4_096))),
        description: v.optional(text),
      }),
    ),
    {},
  ),
  limits: v.optional(LimitsRequestSchema, {}),
  /** `attempt`: each attempt gets a process of its own, where others of a workspace share one in turn. */
  isolation: v.optional(v.literal('attempt')),
});

export const ManifestSchema = v.pipe(
  fields,
  v.check(
    (manifest) => !hasNul(manifest),
    'a string or name holds U+0000, which PostgreSQL can not store; leave it out',
  ),
  v.forward(
    v.partialCheck(
      [['egress'], ['credentials']],
      ({ egress, credentials }) => {
        const slots = new Set(credentials.map(({ slot }) => slot));
        return egress.every(({ credential }) => credential === undefined || slots.has(credential));
      },
      'each credential that a rule names has to be a slot of credentials',
    ),
    ['egress'],
  ),
);

function hasNul(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0');
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, item]) => key.includes('\0') || hasNul(item));
}

export type Manifest = v.InferOutput<typeof ManifestSchema>;

/** What an author may write: {@link Manifest} before defaults. */
export type ManifestInput = v.InferInput<typeof ManifestSchema>;

/** `name` or `name@version`, as a caller names a plugin. */
export const PluginReferenceSchema = v.pipe(
  v.string(),
  v.maxLength(128),
  v.regex(/^[a-z][a-z0-9-]{1,62}(@[0-9A-Za-z.-]+)?$/, 'expected "name" or "name@version"'),
);

/** What writes of a dry run are answered with: of the examples with this input before the others. */
export function exampleAnswers(
  { examples }: Pick<Operation, 'examples'>,
  isInput: (input: unknown) => boolean,
): readonly ExampleAnswer[] {
  const same = examples.filter(({ input }) => isInput(input));
  const others = examples.filter((example) => !same.includes(example));
  return [...same, ...others].flatMap(({ answers = [] }) => answers);
}

/** Values of the manifest's `config` as a guest reads them, where nobody set others. */
export function configDefaults({ config }: Pick<Manifest, 'config'>): Record<string, string> {
  const given = Object.entries(config).flatMap(([name, entry]) =>
    entry.default === undefined ? [] : [[name, entry.default] as const],
  );
  return Object.fromEntries(given);
}
