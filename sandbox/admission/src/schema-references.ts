/**
 * References of a schema: each leads to a schema of its own document, and following them for one value
 * comes to an end soon. Schemas may call themselves for the parts of a value, as trees do.
 */
import { isRecord, schemaAt } from '@portarium/contracts/json-schema';
import type { Finding } from './finding.ts';

export function checkReference(
  root: unknown,
  value: unknown,
  at: string,
  findings: Finding[],
): void {
  const target = typeof value === 'string' ? schemaAt(root, value) : undefined;
  if (typeof target === 'boolean' || isRecord(target)) return;
  const inside = typeof value === 'string' && value.startsWith('#');
  findings.push({
    rule: 'schema.ref',
    message: inside
      ? `$ref ${JSON.stringify(value)} leads to no schema`
      : `$ref ${JSON.stringify(value)} is not a reference inside this schema`,
    hint: 'Put the schema under $defs and write #/$defs/…; remote references are never fetched.',
    at,
  });
}

/** Schemas that one value may be checked against at once, and how long a chain of them may be. */
const MOST_STEPS = 10_000;
const LONGEST_CHAIN = 100;

/** Keywords whose schemas are about the same value as the one that they stand in. */
const SAME_VALUE = ['if', 'then', 'else', 'not'];
const SAME_VALUE_LISTS = ['allOf', 'anyOf', 'oneOf'];

/** @param schemas every schema that stands in `root` */
export function checkExpansion(root: unknown, schemas: readonly unknown[], at: string): Finding[] {
  const known = new Map<object, number>();
  const open = new Set<object>();
  /** Checks that one value costs; infinite when that has no end, or none in time. */
  const stepsOf = (schema: unknown, chain: number): number => {
    if (!isRecord(schema)) return 1;
    const before = known.get(schema);
    if (before !== undefined) return before;
    if (open.has(schema) || chain > LONGEST_CHAIN) return Number.POSITIVE_INFINITY;
    open.add(schema);
    let steps = 1;
    for (const next of sameValue(root, schema)) {
      steps += stepsOf(next, chain + 1);
      if (steps > MOST_STEPS) break;
    }
    open.delete(schema);
    known.set(schema, steps);
    return steps;
  };
  return schemas.some((schema) => stepsOf(schema, 0) > MOST_STEPS) ? [endless(at)] : [];
}

function sameValue(root: unknown, schema: Record<string, unknown>): unknown[] {
  const own = (key: string) => (Object.hasOwn(schema, key) ? schema[key] : undefined);
  const lists = SAME_VALUE_LISTS.flatMap((key) => {
    const list = own(key);
    return Array.isArray(list) ? list : [];
  });
  const ref = own('$ref');
  const values = SAME_VALUE.flatMap((key) => (own(key) === undefined ? [] : [own(key)]));
  return [...(typeof ref === 'string' ? [schemaAt(root, ref)] : []), ...lists, ...values];
}

function endless(at: string): Finding {
  return {
    rule: 'schema.ref',
    message: `following its references, one value is checked without an end, more than ${MOST_STEPS} times, or through more than ${LONGEST_CHAIN} schemas`,
    hint: 'Let a schema refer to itself only for the parts of a value (properties, items), and say each thing once.',
    at,
  };
}
