/** Bounds on the JSON Schemas of a manifest: size, depth, references and patterns. */
import { isRecord } from '@portarium/contracts/json-schema';
import { PATTERN_LIMITS, PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { Manifest } from '@portarium/contracts/manifest';
import {
  isSchemaKeyword,
  SCHEMA_LISTS,
  SCHEMA_MAPS,
  SCHEMA_VALUES,
} from '@portarium/contracts/schema-keywords';
import { compilePattern } from '@portarium/contracts/schema-pattern';
import type { Finding } from './finding.ts';
import { isKeywordValue } from './keyword-values.ts';
import { checkExpansion, checkReference } from './schema-references.ts';

export function checkSchemas(manifest: Manifest): Finding[] {
  const known = new Set<string>();
  return manifest.operations.flatMap((operation, index) => [
    ...checkSchema(operation.input, `/operations/${index}/input`, known),
    ...checkSchema(operation.output, `/operations/${index}/output`, known),
  ]);
}

/** @param known the different patterns of the manifest so far */
function checkSchema(schema: unknown, at: string, known: Set<string>): Finding[] {
  const depth = depthOf(schema, PLATFORM_LIMITS.schemaDepth + 1);
  if (depth > PLATFORM_LIMITS.schemaDepth) {
    return [
      {
        rule: 'schema.depth',
        message: `the schema is nested deeper than ${PLATFORM_LIMITS.schemaDepth} levels`,
        hint: 'Flatten it, or move parts to $defs and refer to them with #/$defs/….',
        at,
      },
    ];
  }
  const bytes = new TextEncoder().encode(JSON.stringify(schema)).length;
  if (bytes > PLATFORM_LIMITS.schemaBytes) {
    return [
      {
        rule: 'schema.size',
        message: `the schema has ${bytes} bytes, at most ${PLATFORM_LIMITS.schemaBytes} are read`,
        hint: 'Describe less: long enumerations and texts belong elsewhere.',
        at,
      },
    ];
  }
  const tooMany = countPatterns(schema, at, known);
  if (tooMany) return [tooMany];
  const findings: Finding[] = [];
  const schemas: unknown[] = [];
  walk({ root: schema, schemas, findings }, schema, at);
  findings.push(...checkExpansion(schema, schemas, at));
  return findings;
}

/** Counts before any pattern is compiled, because compiling is what the bound is for. */
function countPatterns(schema: unknown, at: string, known: Set<string>): Finding | undefined {
  const own = new Set<string>();
  collectPatterns(schema, own);
  for (const pattern of own) known.add(pattern);
  const { perSchema, perManifest } = PATTERN_LIMITS;
  if (own.size === 0 || (own.size <= perSchema && known.size <= perManifest)) return undefined;
  return {
    rule: 'schema.pattern',
    message:
      own.size > perSchema
        ? `the schema has ${own.size} different patterns, at most ${perSchema} are compiled`
        : `up to here the manifest has ${known.size} different patterns, at most ${perManifest} are compiled`,
    hint: 'Use the same pattern in several places, or check less: enumerations need no pattern.',
    at,
  };
}

function collectPatterns(schema: unknown, found: Set<string>): void {
  if (Array.isArray(schema)) for (const item of schema) collectPatterns(item, found);
  if (!isRecord(schema)) return;
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'pattern' && typeof value === 'string') found.add(value);
    else if (key === 'patternProperties' && isRecord(value)) {
      for (const pattern of Object.keys(value)) found.add(pattern);
    }
    collectPatterns(value, found);
  }
}

/** Levels of schema that stand inside each other; a map of properties is no level of its own. */
function depthOf(schema: unknown, most: number): number {
  if (most === 0 || typeof schema !== 'object' || schema === null) return 0;
  let deepest = 0;
  for (const [key, value] of Object.entries(schema)) {
    const inner = SCHEMA_MAPS.has(key) && isRecord(value) ? Object.values(value) : [value];
    for (const item of inner) deepest = Math.max(deepest, depthOf(item, most - 1));
  }
  return deepest + 1;
}

interface Walk {
  readonly root: unknown;
  /** Every schema that was come by. */
  readonly schemas: unknown[];
  readonly findings: Finding[];
}

function walk(walked: Walk, schema: unknown, at: string): void {
  if (!isRecord(schema)) return;
  const { root, schemas, findings } = walked;
  schemas.push(schema);
  for (const [key, value] of Object.entries(schema)) {
    const here = `${at}/${escapePointer(key)}`;
    if (!isSchemaKeyword(key)) findings.push(unknownKeyword(key, here));
    else if (!isKeywordValue(key, value)) findings.push(wrongValue(key, here));
    else if (key === '$ref') checkReference(root, value, here, findings);
    else if (key === 'pattern') checkPattern(value, here, findings);
    else if (SCHEMA_VALUES.has(key)) walk(walked, value, here);
    else if (SCHEMA_LISTS.has(key) && Array.isArray(value)) {
      for (const [index, item] of value.entries()) walk(walked, item, `${here}/${index}`);
    } else if (SCHEMA_MAPS.has(key) && isRecord(value)) {
      for (const [name, item] of Object.entries(value)) {
        const inner = `${here}/${escapePointer(name)}`;
        if (key === 'patternProperties') checkPattern(name, inner, findings);
        walk(walked, item, inner);
      }
    }
  }
}

function wrongValue(key: string, at: string): Finding {
  return {
    rule: 'schema.keyword',
    message: `the keyword ${JSON.stringify(key)} has a value that it can not have`,
    hint: 'Give it what JSON Schema 2020-12 says: “type” one of its seven names, “properties” an object, a bound a number.',
    at,
  };
}

function unknownKeyword(key: string, at: string): Finding {
  return {
    rule: 'schema.keyword',
    message: `${JSON.stringify(key)} is not a keyword of the schema subset`,
    hint: 'Correct it, leave it out, or name an annotation of your own x-….',
    at,
  };
}

function checkPattern(value: unknown, at: string, findings: Finding[]): void {
  const problem = patternProblem(value);
  if (problem === undefined) return;
  findings.push({
    rule: 'schema.pattern',
    message: `the pattern is refused: ${problem}`,
    hint: 'Use literals, classes, groups and simple quantifiers, which match in linear time.',
    at,
  });
}

/** RE2 has no look-around and no back-references, so every pattern it reads matches in linear time. */
function patternProblem(pattern: unknown): string | undefined {
  if (typeof pattern !== 'string') return 'not a string';
  const compiled = compilePattern(pattern);
  return typeof compiled === 'string' ? compiled : undefined;
}

function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
