import { expect, test } from 'bun:test';
import { drifted, schemaFiles } from './generate-schemas.ts';

test('the published JSON Schemas are those of the code', async () => {
  expect(await drifted()).toEqual([]);
});

test('each schema is a 2020-12 document that refuses unknown fields where the code does', () => {
  for (const [name, text] of schemaFiles()) {
    const schema = JSON.parse(text);
    expect(schema.$schema, name).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(schema.title.length, name).toBeGreaterThan(5);
  }
  const manifest = JSON.parse(schemaFiles().get('manifest.json') ?? '{}');
  expect(manifest.additionalProperties).toBe(false);
  expect(manifest.required).toEqual(['schema', 'name', 'version', 'operations']);
});
