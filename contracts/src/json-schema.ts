/**
 * A bounded subset of JSON Schema 2020-12 for schemas that plugins bring. An interpreter with a step
 * budget: it generates no code, follows no remote reference, and patterns run in linear time (RE2),
 * so that no schema and no value can hold the Control Plane up.
 */
import { RE2JS } from 're2js';
import { canonicalText } from './canonical-json.ts';
import { PLATFORM_LIMITS } from './limits.ts';

export type JsonSchema = Readonly<Record<string, unknown>> | boolean;

export interface SchemaViolation {
  /** JSON Pointer into the value. */
  readonly pointer: string;
  readonly message: string;
}

/** Keywords that hold one schema, a list of them, or a map of them. */
export const SCHEMA_VALUES: ReadonlySet<string> = new Set([
  ...['additionalProperties', 'contains', 'else', 'if', 'items', 'not', 'propertyNames', 'then'],
]);
export const SCHEMA_LISTS: ReadonlySet<string> = new Set([
  'allOf',
  'anyOf',
  'oneOf',
  'prefixItems',
]);
export const SCHEMA_MAPS: ReadonlySet<string> = new Set([
  ...['$defs', 'definitions', 'patternProperties', 'properties'],
]);
const ASSERTIONS = new Set([
  ...['$ref', 'const', 'dependentRequired', 'enum', 'exclusiveMaximum', 'exclusiveMinimum'],
  ...['maxItems', 'maxLength', 'maxProperties', 'maximum', 'minItems', 'minLength'],
  ...['minProperties', 'minimum', 'multipleOf', 'pattern', 'required', 'type', 'uniqueItems'],
]);
const ANNOTATIONS = new Set([
  ...['$comment', '$schema', 'contentEncoding', 'contentMediaType', 'default', 'deprecated'],
  ...['description', 'examples', 'format', 'readOnly', 'title', 'writeOnly'],
]);

/** Whether the subset has the keyword; `x-…` are annotations of their authors. */
export function isSchemaKeyword(keyword: string): boolean {
  return (
    SCHEMA_VALUES.has(keyword) ||
    SCHEMA_LISTS.has(keyword) ||
    SCHEMA_MAPS.has(keyword) ||
    ASSERTIONS.has(keyword) ||
    ANNOTATIONS.has(keyword) ||
    keyword.startsWith('x-')
  );
}

const MAX_VIOLATIONS = 20;
const MAX_COMPILED = 1_000;
const compiled = new Map<string, RE2JS | string>();

/** The pattern as RE2 reads it, or why it does not. */
export function compilePattern(pattern: string): RE2JS | string {
  const known = compiled.get(pattern);
  if (known !== undefined) return known;
  let result: RE2JS | string;
  try {
    result = RE2JS.compile(pattern);
  } catch (error) {
    result = error instanceof Error ? error.message : String(error);
  }
  if (compiled.size >= MAX_COMPILED) compiled.clear();
  compiled.set(pattern, result);
  return result;
}

class OutOfSteps extends Error {}

interface Run {
  readonly root: JsonSchema;
  left: number;
}

/**
 * Validates a JSON value.
 * @param maxSteps what the validation may cost; about ten million steps take a second
 * @returns at most 20 violations, none when `value` is valid
 */
export function validateJson(
  schema: JsonSchema,
  value: unknown,
  maxSteps: number = PLATFORM_LIMITS.schemaSteps,
): readonly SchemaViolation[] {
  const run: Run = { root: schema, left: maxSteps };
  try {
    return check(run, schema, value, '', 0).slice(0, MAX_VIOLATIONS);
  } catch (error) {
    if (!(error instanceof OutOfSteps)) throw error;
    const message = `checking this against its schema takes more than ${maxSteps} steps`;
    return [{ pointer: '', message }];
  }
}

function spend(run: Run, steps: number): void {
  run.left -= steps;
  if (run.left < 0) throw new OutOfSteps();
}

/** Deepest chain of schemas that one value may be led through. */
const MAX_SCHEMA_DEPTH = 256;

function check(
  run: Run,
  schema: unknown,
  value: unknown,
  at: string,
  depth: number,
): SchemaViolation[] {
  spend(run, 1);
  if (depth > MAX_SCHEMA_DEPTH) throw new OutOfSteps();
  if (schema === true) return [];
  if (schema === false) return [{ pointer: at, message: 'nothing is allowed here' }];
  if (!isRecord(schema)) return [];
  const violations = [
    ...checkAny(run, schema, value, at),
    ...checkApplicators(run, schema, value, at, depth + 1),
  ];
  if (typeof value === 'string') violations.push(...checkString(run, schema, value, at));
  else if (typeof value === 'number') violations.push(...checkNumber(schema, value, at));
  else if (Array.isArray(value)) violations.push(...checkArray(run, schema, value, at, depth + 1));
  else if (isRecord(value)) violations.push(...checkObject(run, schema, value, at, depth + 1));
  return violations.slice(0, MAX_VIOLATIONS);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function own(record: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value;
}

function checkAny(
  run: Run,
  schema: Record<string, unknown>,
  value: unknown,
  at: string,
): SchemaViolation[] {
  const violations: SchemaViolation[] = [];
  const type = own(schema, 'type');
  if (type !== undefined) {
    const wanted = Array.isArray(type) ? type : [type];
    const actual = typeOf(value);
    const fits = wanted.includes(actual) || (wanted.includes('integer') && Number.isInteger(value));
    if (!fits)
      violations.push({ pointer: at, message: `expected ${wanted.join(' or ')}, got ${actual}` });
  }
  const options = own(schema, 'enum');
  if (Array.isArray(options)) {
    spend(run, options.length);
    if (!options.some((option) => same(run, option, value))) {
      violations.push({ pointer: at, message: 'expected one of the listed values' });
    }
  }
  if (Object.hasOwn(schema, 'const') && !same(run, schema.const, value)) {
    violations.push({ pointer: at, message: 'expected another constant' });
  }
  return violations;
}

function same(run: Run, a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return a === b;
  const [left, right] = [canonicalText(a), canonicalText(b)];
  spend(run, left.length + right.length);
  return left === right;
}

function checkApplicators(
  run: Run,
  schema: Record<string, unknown>,
  value: unknown,
  at: string,
  depth: number,
): SchemaViolation[] {
  const violations: SchemaViolation[] = [];
  const ref = own(schema, '$ref');
  if (typeof ref === 'string') violations.push(...check(run, resolve(run, ref), value, at, depth));
  const list = (key: string) => {
    const schemas = own(schema, key);
    return Array.isArray(schemas) ? schemas : undefined;
  };
  for (const each of list('allOf') ?? []) violations.push(...check(run, each, value, at, depth));
  const fits = (each: unknown) => check(run, each, value, at, depth).length === 0;
  const anyOf = list('anyOf');
  if (anyOf && !anyOf.some(fits))
    violations.push({ pointer: at, message: 'fits none of the alternatives' });
  const oneOf = list('oneOf');
  if (oneOf && oneOf.filter(fits).length !== 1) {
    violations.push({ pointer: at, message: 'must fit exactly one of the alternatives' });
  }
  if (Object.hasOwn(schema, 'not') && fits(schema.not)) {
    violations.push({ pointer: at, message: 'fits what is excluded here' });
  }
  if (Object.hasOwn(schema, 'if')) {
    const branch = fits(schema.if) ? 'then' : 'else';
    if (Object.hasOwn(schema, branch))
      violations.push(...check(run, schema[branch], value, at, depth));
  }
  return violations;
}

/** The schema at a local JSON Pointer; one that leads nowhere refuses everything. */
function resolve(run: Run, ref: string): unknown {
  if (ref === '#') return run.root;
  if (!ref.startsWith('#/')) return false;
  let target: unknown = run.root;
  for (const part of ref.slice(2).split('/')) {
    spend(run, 1);
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(target)) target = target[Number(key)];
    else if (isRecord(target)) target = own(target, key);
    else return false;
  }
  return target ?? false;
}

function checkString(
  run: Run,
  schema: Record<string, unknown>,
  value: string,
  at: string,
): SchemaViolation[] {
  const violations: SchemaViolation[] = [];
  const [least, most] = [own(schema, 'minLength'), own(schema, 'maxLength')];
  if (typeof least === 'number' || typeof most === 'number') {
    // JSON Schema counts code points; a long string costs its length only where that matters.
    const length = [...value.slice(0, 2 * Math.max(Number(least ?? 0), Number(most ?? 0)) + 2)]
      .length;
    if (typeof least === 'number' && length < least)
      violations.push({ pointer: at, message: `expected at least ${least} characters` });
    if (typeof most === 'number' && length > most)
      violations.push({ pointer: at, message: `expected at most ${most} characters` });
  }
  const pattern = own(schema, 'pattern');
  if (typeof pattern === 'string' && !matches(run, pattern, value)) {
    violations.push({ pointer: at, message: `expected text that matches ${pattern}` });
  }
  return violations;
}

function matches(run: Run, pattern: string, text: string): boolean {
  spend(run, 1 + text.length);
  const regex = compilePattern(pattern);
  return typeof regex !== 'string' && regex.matcher(text).find();
}

function checkNumber(
  schema: Record<string, unknown>,
  value: number,
  at: string,
): SchemaViolation[] {
  const violations: SchemaViolation[] = [];
  const bound = (key: string, holds: (limit: number) => boolean, text: string) => {
    const limit = own(schema, key);
    if (typeof limit === 'number' && !holds(limit))
      violations.push({ pointer: at, message: `expected ${text} ${limit}` });
  };
  bound('minimum', (limit) => value >= limit, 'at least');
  bound('maximum', (limit) => value <= limit, 'at most');
  bound('exclusiveMinimum', (limit) => value > limit, 'more than');
  bound('exclusiveMaximum', (limit) => value < limit, 'less than');
  bound(
    'multipleOf',
    (limit) => limit > 0 && Math.abs(value / limit - Math.round(value / limit)) < 1e-9,
    'a multiple of',
  );
  return violations;
}

function checkArray(
  run: Run,
  schema: Record<string, unknown>,
  value: readonly unknown[],
  at: string,
  depth: number,
): SchemaViolation[] {
  const violations = checkCount(schema, 'Items', value.length, 'items', at);
  const prefix = own(schema, 'prefixItems');
  const fixed = Array.isArray(prefix) ? prefix : [];
  for (const [index, item] of value.entries()) {
    if (violations.length >= MAX_VIOLATIONS) break;
    const each = index < fixed.length ? fixed[index] : own(schema, 'items');
    if (each !== undefined) violations.push(...check(run, each, item, `${at}/${index}`, depth));
  }
  if (own(schema, 'uniqueItems') === true) {
    const texts = value.map((item) => canonicalText(item));
    spend(
      run,
      texts.reduce((sum, text) => sum + text.length, 0),
    );
    if (new Set(texts).size !== texts.length)
      violations.push({ pointer: at, message: 'expected items that all differ' });
  }
  const contains = own(schema, 'contains');
  if (
    contains !== undefined &&
    !value.some((item) => check(run, contains, item, at, depth).length === 0)
  ) {
    violations.push({ pointer: at, message: 'expected an item that is not there' });
  }
  return violations;
}

function checkCount(
  schema: Record<string, unknown>,
  suffix: string,
  count: number,
  what: string,
  at: string,
): SchemaViolation[] {
  const violations: SchemaViolation[] = [];
  const [least, most] = [own(schema, `min${suffix}`), own(schema, `max${suffix}`)];
  if (typeof least === 'number' && count < least)
    violations.push({ pointer: at, message: `expected at least ${least} ${what}` });
  if (typeof most === 'number' && count > most)
    violations.push({ pointer: at, message: `expected at most ${most} ${what}` });
  return violations;
}

function checkObject(
  run: Run,
  schema: Record<string, unknown>,
  value: Record<string, unknown>,
  at: string,
  depth: number,
): SchemaViolation[] {
  const keys = Object.keys(value);
  spend(run, keys.length);
  const violations = checkCount(schema, 'Properties', keys.length, 'properties', at);
  violations.push(...checkRequired(run, schema, value, at));
  const properties = own(schema, 'properties');
  const patterns = own(schema, 'patternProperties');
  for (const key of keys) {
    if (violations.length >= MAX_VIOLATIONS) break;
    const here = `${at}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    let known = false;
    const apply = (each: unknown) => {
      known = true;
      violations.push(...check(run, each, value[key], here, depth));
    };
    if (isRecord(properties) && Object.hasOwn(properties, key)) apply(properties[key]);
    for (const [pattern, each] of isRecord(patterns) ? Object.entries(patterns) : []) {
      if (matches(run, pattern, key)) apply(each);
    }
    const rest = own(schema, 'additionalProperties');
    if (!known && rest === false)
      violations.push({ pointer: here, message: 'this property is not known here' });
    else if (!known && rest !== undefined) apply(rest);
    if (Object.hasOwn(schema, 'propertyNames'))
      violations.push(...check(run, schema.propertyNames, key, here, depth));
  }
  return violations;
}

function checkRequired(
  run: Run,
  schema: Record<string, unknown>,
  value: Record<string, unknown>,
  at: string,
): SchemaViolation[] {
  const required = own(schema, 'required');
  const wanted: unknown[] = Array.isArray(required) ? [...required] : [];
  const dependent = own(schema, 'dependentRequired');
  for (const [key, more] of isRecord(dependent) ? Object.entries(dependent) : []) {
    if (Object.hasOwn(value, key) && Array.isArray(more)) wanted.push(...more);
  }
  spend(run, wanted.length);
  return wanted
    .filter((key): key is string => typeof key === 'string' && !Object.hasOwn(value, key))
    .map((key) => ({ pointer: `${at}/${key}`, message: 'this property is missing' }));
}
