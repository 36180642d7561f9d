/**
 * A bounded subset of JSON Schema 2020-12 for schemas that plugins bring. An interpreter with a step
 * budget: it generates no code, follows no remote reference, and patterns run in linear time (RE2),
 * so that no schema and no value can hold the Control Plane up.
 */
import { canonicalText } from './canonical-json.ts';
import { PLATFORM_LIMITS } from './limits.ts';
import { COST } from './schema-cost.ts';
import { compilePattern } from './schema-pattern.ts';

export type JsonSchema = Readonly<Record<string, unknown>> | boolean;

export interface SchemaViolation {
  /** JSON Pointer into the value. */
  readonly pointer: string;
  readonly message: string;
}

const MAX_VIOLATIONS = 20;

class OutOfSteps extends Error {}

interface Run {
  readonly root: JsonSchema;
  left: number;
  /** Patterns whose compilation is paid for, cached or not: the answer may not depend on a cache. */
  readonly patterns: Set<string>;
}

/**
 * Validates a JSON value.
 * @param maxSteps what the validation may cost; ten million take 0.4 s at worst
 * @returns at most 20 violations, none when `value` is valid
 */
export function validateJson(
  schema: JsonSchema,
  value: unknown,
  maxSteps: number = PLATFORM_LIMITS.schemaSteps,
): readonly SchemaViolation[] {
  const run: Run = { root: schema, left: maxSteps, patterns: new Set() };
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
  spend(run, COST.check);
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

/** Whether the JSON value is an object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
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
    spend(run, wanted.length);
    const actual = typeOf(value);
    const fits = wanted.includes(actual) || (wanted.includes('integer') && Number.isInteger(value));
    if (!fits)
      violations.push({
        pointer: at,
        message: `expected ${wanted.slice(0, 7).join(' or ')}, got ${actual}`,
      });
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

/** Equality of JSON values; never brings a large one into another form. */
function same(run: Run, a: unknown, b: unknown): boolean {
  spend(run, 1);
  if (typeof a === 'string' && typeof b === 'string' && a.length === b.length) {
    spend(run, a.length / 64);
  }
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return a === b;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => same(run, item, b[index]));
  }
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = Object.keys(left);
  const count = Object.keys(right).length;
  spend(run, COST.key * (keys.length + count));
  if (keys.length !== count) return false;
  return keys.every((key) => Object.hasOwn(right, key) && same(run, left[key], right[key]));
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

/** A reference that leads nowhere refuses everything. */
function resolve(run: Run, ref: string): unknown {
  spend(run, ref.length);
  return schemaAt(run.root, ref) ?? false;
}

/** What stands at a local JSON Pointer (`#`, `#/$defs/a`) of `root`; undefined for any other reference. */
export function schemaAt(root: unknown, ref: string): unknown {
  if (ref === '#') return root;
  if (!ref.startsWith('#/')) return undefined;
  let target: unknown = root;
  for (const part of ref.slice(2).split('/')) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(target)) target = target[Number(key)];
    else if (isRecord(target)) target = own(target, key);
    else return undefined;
  }
  return target;
}

function checkString(
  run: Run,
  schema: Record<string, unknown>,
  value: string,
  at: string,
): SchemaViolation[] {
  const violations: SchemaViolation[] = [];
  const [least, most] = [own(schema, 'minLength'), own(schema, 'maxLength')];
  if (typeof least === 'number' && !hasCharacters(run, value, least)) {
    violations.push({ pointer: at, message: `expected at least ${least} characters` });
  }
  if (typeof most === 'number' && hasCharacters(run, value, Math.floor(most) + 1)) {
    violations.push({ pointer: at, message: `expected at most ${most} characters` });
  }
  const pattern = own(schema, 'pattern');
  if (typeof pattern === 'string' && !matches(run, pattern, value)) {
    violations.push({ pointer: at, message: `expected text that matches ${pattern}` });
  }
  return violations;
}

/** Whether the text has at least `count` code points, which is what JSON Schema counts. */
function hasCharacters(run: Run, text: string, count: number): boolean {
  if (text.length < count) return false;
  if (text.length >= 2 * count) return true;
  spend(run, text.length / 8);
  let characters = text.length;
  for (let i = 1; i < text.length; i++) {
    const isLow = (text.charCodeAt(i) & 0xfc00) === 0xdc00;
    if (isLow && (text.charCodeAt(i - 1) & 0xfc00) === 0xd800) characters--;
  }
  return characters >= count;
}

function matches(run: Run, pattern: string, text: string): boolean {
  const isNew = !run.patterns.has(pattern);
  spend(run, isNew ? COST.patternCharacter * pattern.length : 1);
  run.patterns.add(pattern);
  const compiled = compilePattern(pattern);
  if (typeof compiled === 'string') {
    if (isNew) spend(run, COST.patternRefused);
    return false;
  }
  spend(run, compiled.size * (text.length + 1 + (isNew ? COST.patternInstruction : 0)));
  return compiled.test(text);
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
  const items = own(schema, 'items');
  const end = items === undefined ? Math.min(fixed.length, value.length) : value.length;
  for (let index = 0; index < end && violations.length < MAX_VIOLATIONS; index++) {
    const each = index < fixed.length ? fixed[index] : items;
    violations.push(...check(run, each, value[index], `${at}/${index}`, depth));
  }
  if (own(schema, 'uniqueItems') === true) {
    weigh(run, value);
    if (new Set(value.map((item) => canonicalText(item))).size !== value.length)
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

/** Pays for the canonical form of a value before it is made. */
function weigh(run: Run, value: unknown): void {
  spend(run, COST.node);
  if (typeof value === 'string') spend(run, value.length / 2);
  else if (Array.isArray(value)) for (const item of value) weigh(run, item);
  else if (isRecord(value)) {
    for (const key of Object.keys(value)) {
      spend(run, COST.node + key.length / 2);
      weigh(run, value[key]);
    }
  }
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
  spend(run, COST.key * keys.length);
  const violations = checkCount(schema, 'Properties', keys.length, 'properties', at);
  violations.push(...checkRequired(run, schema, value, at));
  const properties = own(schema, 'properties');
  const patterned = own(schema, 'patternProperties');
  const patterns = isRecord(patterned) ? Object.entries(patterned) : [];
  spend(run, patterns.length);
  for (const key of keys) {
    if (violations.length >= MAX_VIOLATIONS) break;
    const here = `${at}/${pointerPart(key)}`;
    let known = false;
    const apply = (each: unknown) => {
      known = true;
      violations.push(...check(run, each, value[key], here, depth));
    };
    if (isRecord(properties) && Object.hasOwn(properties, key)) apply(properties[key]);
    for (const [pattern, each] of patterns) {
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

/** Longest part of a pointer: names come from outside, and answers stay short. */
const MAX_POINTER_PART = 256;

function pointerPart(key: string): string {
  const short = key.length > MAX_POINTER_PART ? `${key.slice(0, MAX_POINTER_PART)}…` : key;
  return short.toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1');
}

function checkRequired(
  run: Run,
  schema: Record<string, unknown>,
  value: Record<string, unknown>,
  at: string,
): SchemaViolation[] {
  const violations: SchemaViolation[] = [];
  const demand = (names: unknown) => {
    if (!Array.isArray(names)) return;
    for (const key of names) {
      if (violations.length >= MAX_VIOLATIONS) return;
      spend(run, COST.key);
      if (typeof key !== 'string' || Object.hasOwn(value, key)) continue;
      violations.push({
        pointer: `${at}/${pointerPart(key)}`,
        message: 'this property is missing',
      });
    }
  };
  demand(own(schema, 'required'));
  const dependent = own(schema, 'dependentRequired');
  const pairs = isRecord(dependent) ? Object.entries(dependent) : [];
  spend(run, COST.key * pairs.length);
  for (const [key, more] of pairs) if (Object.hasOwn(value, key)) demand(more);
  return violations;
}
