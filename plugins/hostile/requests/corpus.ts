/** The corpus as data: what a guest asks for, what the world around it answers, and what has to come of it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EgressRulesSchema } from '@portarium/contracts/egress-rule';
import * as v from 'valibot';

/** `{{x*1000}}` is a thousand times `x`. */
const text = v.string();

const RequestSchema = v.strictObject({
  method: v.optional(text, 'GET'),
  url: text,
  headers: v.optional(v.array(v.tuple([text, text])), []),
  body: v.optional(text, ''),
});

/** One answer of a granted server, by the path that it was asked for. */
const ServeSchema = v.strictObject({
  status: v.optional(v.number(), 200),
  headers: v.optional(v.array(v.tuple([text, text])), []),
  body: v.optional(text, ''),
  /** Bytes (latin1) instead of the answer. */
  raw: v.optional(text),
  /** The body is this many zero bytes, packed so often. */
  packed: v.optional(
    v.strictObject({
      encodings: v.array(v.picklist(['gzip', 'deflate', 'br'])),
      bytes: v.number(),
    }),
  ),
  /**
   * After the answer: `next` request (when left out), the end (when left out behind `raw`), nothing more on an
   * open connection, a byte from time to time, or bytes without end.
   */
  after: v.optional(v.picklist(['next', 'close', 'hold', 'drip', 'flood'])),
});
export type Serve = v.InferOutput<typeof ServeSchema>;

/** What has to become of the last call: passes, fails, or is denied by a layer. */
export const ENDS = [
  'allowed',
  'failed',
  'request',
  'plugin',
  'operator',
  'approval',
  'address',
  'credential',
  'budget',
  'rate',
] as const;
export type End = (typeof ENDS)[number];

const CaseSchema = v.strictObject({
  name: text,
  requests: v.pipe(v.array(RequestSchema), v.minLength(1)),
  effect: v.optional(v.picklist(['read', 'write']), 'read'),
  /** Narrowed by an approval as well. */
  narrowed: v.optional(v.boolean(), false),
  names: v.optional(v.record(text, v.array(v.array(text))), {}),
  serve: v.optional(v.record(text, ServeSchema), {}),
  expect: v.picklist(ENDS),
  /** Where the whole product ends it sooner, or the guest’s kit has already mended it. */
  inProduct: v.optional(v.picklist(ENDS)),
  /** Calls on record, redirects included; default one for each request. */
  calls: v.optional(v.number()),
  /** Never stands in anything that a server was sent. */
  neverSent: v.optional(v.array(text), []),
  /** Never stands in what the guest was answered. */
  neverSeen: v.optional(v.array(text), []),
});
export type AttackCase = v.InferOutput<typeof CaseSchema> & { readonly family: string };

const FamilySchema = v.strictObject({ title: text, cases: v.array(CaseSchema) });

const GrantsSchema = v.strictObject({
  /** Rules of the operator that are not also the plugin’s. */
  operator: v.strictObject({ without: v.array(text), rules: EgressRulesSchema }),
  approval: EgressRulesSchema,
});

const FOLDER = import.meta.dirname;

export interface Family {
  readonly name: string;
  readonly title: string;
  readonly cases: readonly AttackCase[];
}

/** In the order of the files' names. */
export function readCorpus(): readonly Family[] {
  return readdirSync(join(FOLDER, 'cases'))
    .sort()
    .map((file) => {
      const name = file.replace(/^\d+-|\.json$/g, '');
      const { title, cases } = v.parse(FamilySchema, readJson(`cases/${file}`));
      return { name, title, cases: cases.map((one) => ({ ...expandAll(one), family: name })) };
    });
}

/** The plugin's manifest, and what is granted beside it. */
export function readGrants() {
  const manifest = readJson('plugin.json') as { readonly egress: unknown };
  const plugin = v.parse(EgressRulesSchema, manifest.egress);
  const { operator, approval } = v.parse(GrantsSchema, readJson('grants.json'));
  const shared = plugin.filter(({ id }) => !operator.without.includes(id));
  return { plugin, operator: [...shared, ...operator.rules], approval };
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(join(FOLDER, path), 'utf8'));
}

/** Writes out every `{{x*n}}` of a value. */
function expandAll<T>(value: T): T {
  return JSON.parse(
    JSON.stringify(value, (_key, each: unknown) =>
      typeof each === 'string' ? expand(each) : each,
    ),
  ) as T;
}

function expand(short: string): string {
  return short.replaceAll(/\{\{(.+?)\*(\d+)\}\}/gs, (_whole, what: string, times: string) =>
    what.repeat(Number(times)),
  );
}
