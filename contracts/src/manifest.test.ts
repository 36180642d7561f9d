import { expect, test } from 'bun:test';
import * as v from 'valibot';
import { ManifestSchema, PluginReferenceSchema, VersionSchema } from './manifest.ts';

const MINIMAL = {
  schema: 1,
  name: 'csv-insights',
  version: '1.0.0',
  operations: [{ name: 'summarise', export: 'summarise', effect: 'read' }],
};

test('a minimal manifest gets its defaults: JSON, no egress, no credentials', () => {
  expect(v.parse(ManifestSchema, MINIMAL)).toMatchObject({
    description: '',
    egress: [],
    credentials: [],
    config: {},
    limits: {},
    operations: [{ encoding: 'json', input: {}, output: {}, examples: [] }],
  });
});

test('unknown fields are refused at every level', () => {
  const [operation] = MINIMAL.operations;
  for (const manifest of [
    { ...MINIMAL, licenses: [] },
    { ...MINIMAL, operations: [{ ...operation, effects: 'read' }] },
    { ...MINIMAL, limits: { walls: 1 } },
    { ...MINIMAL, config: { a: { type: 'string', secret: true } } },
  ]) {
    expect(v.safeParse(ManifestSchema, manifest).success).toBe(false);
  }
});

test('operations need names of their own, a known effect and at least one of them', () => {
  const [operation] = MINIMAL.operations;
  for (const operations of [
    [],
    [operation, operation],
    [{ ...operation, effect: 'execute' }],
    [{ ...operation, name: 'has space' }],
    [{ ...operation, export: '../x' }],
    [{ ...operation, encoding: 'xml' }],
  ]) {
    expect(v.safeParse(ManifestSchema, { ...MINIMAL, operations }).success).toBe(false);
  }
});

test('versions are semantic versions without build metadata', () => {
  for (const version of ['0.0.0', '1.2.3', '1.0.0-rc.1', '10.20.30-alpha-1']) {
    expect(v.safeParse(VersionSchema, version).success).toBe(true);
  }
  for (const version of ['1', '1.2', '01.2.3', 'v1.2.3', '1.2.3+build', '1.2.3-', '1.2.3 ', '']) {
    expect(v.safeParse(VersionSchema, version).success).toBe(false);
  }
});

test('no two versions of plugins have the same place: numbers of a preview begin with no zero', () => {
  const problem = (version: string) => v.safeParse(ManifestSchema, { ...MINIMAL, version }).success;
  for (const version of ['1.0.0-0', '1.0.0-a-01', '1.0.0-01a', '1.0.0--01', '1.0.0-0.10.a']) {
    expect([version, problem(version)]).toEqual([version, true]);
  }
  for (const version of ['1.0.0-01', '1.0.0-rc.01', '1.0.0-00', '1.0.0-rc.01.x']) {
    expect([version, problem(version)]).toEqual([version, false]);
  }
});

test('a plugin is named with or without a version', () => {
  for (const text of ['csv-insights', 'csv-insights@1.0.0', 'a1@1.0.0-rc.1']) {
    expect(v.safeParse(PluginReferenceSchema, text).success).toBe(true);
  }
  for (const text of ['', '@1.0.0', 'A', 'a@', 'a/b', 'csv insights', 'csv@1@2']) {
    expect(v.safeParse(PluginReferenceSchema, text).success).toBe(false);
  }
});

test('names that every object has are refused where a record would drop them', () => {
  const parse = (text: string) =>
    v.safeParse(ManifestSchema, { ...MINIMAL, ...(JSON.parse(text) as object) });
  for (const name of ['constructor', 'prototype', '__proto__', 'toString', 'hasOwnProperty']) {
    const config = parse(`{"config":{"${name}":{"type":"string"}}}`);
    expect(config.issues?.map((issue) => v.getDotPath(issue))).toContain(`config.${name}`);
    const operation = { name: 'a', export: 'a', effect: 'read' };
    const input = JSON.stringify({ operations: [operation] }).replace(
      '"effect"',
      `"input":{"${name}":{}},"effect"`,
    );
    expect(parse(input).success, name).toBe(false);
  }
  expect(parse('{"config":{"construct":{"type":"string"}}}').success).toBe(true);
});

test('U+0000 is refused in every string and name, however deep', () => {
  const [operation] = MINIMAL.operations;
  for (const change of [
    { description: 'a\0b' },
    { config: { a: { type: 'string', default: '\0' } } },
    { operations: [{ ...operation, input: { enum: [{ a: ['\0'] }] } }] },
    { operations: [{ ...operation, input: { properties: { 'a\0': {} } } }] },
    { operations: [{ ...operation, examples: [{ input: '\0', output: 1 }] }] },
  ]) {
    const parsed = v.safeParse(ManifestSchema, { ...MINIMAL, ...change });
    expect(parsed.issues?.[0].message, JSON.stringify(change)).toContain('U+0000');
  }
});

test('a rule may name only a credential slot that the manifest has', () => {
  const rule = {
    ...{ id: 'a', methods: ['GET'], scheme: 'https', host: 'a.example.com', port: 443, path: '/' },
    credential: 'key',
  };
  const asking = (slot: string) => ({
    ...MINIMAL,
    egress: [rule],
    credentials: [{ slot, kind: 'bearer', host: 'a.example.com' }],
  });
  expect(v.safeParse(ManifestSchema, asking('key')).success).toBe(true);
  const { issues = [] } = v.safeParse(ManifestSchema, asking('other'));
  expect(issues.map((issue) => [v.getDotPath(issue), issue.message])).toEqual([
    ['egress', 'each credential that a rule names has to be a slot of credentials'],
  ]);
});
