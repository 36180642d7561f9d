import { expect, test } from 'bun:test';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { openApi } from './generate-openapi.ts';

test('the OpenAPI document has no finding of the linter’s recommended rules', async () => {
  const config = await createConfig({ extends: ['recommended'] });
  const source = JSON.stringify(openApi());
  const findings = await lintFromString({ source, config });
  const told = findings.map(({ ruleId, message, location }) => [
    ruleId,
    message,
    location[0]?.pointer,
  ]);
  expect(told).toEqual([]);
  const wrong = source.replace('"operationId":"listKeys"', '"operationId":"createKey"');
  expect((await lintFromString({ source: wrong, config })).length).toBeGreaterThan(0);
}, 30_000);

test('every operation has an id of its own, an example of its body, and the errors of its parts', () => {
  const { paths } = openApi() as {
    paths: Record<string, Record<string, Record<string, unknown>>>;
  };
  const operations = Object.values(paths).flatMap((methods) => Object.values(methods));
  const ids = operations.map(({ operationId }) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { operationId, requestBody, responses } of operations) {
    const content = (requestBody as { content?: Record<string, { example?: unknown }> })?.content;
    const json = content?.['application/json'];
    if (json) expect([operationId, json.example !== undefined]).toEqual([operationId, true]);
    const statuses = Object.keys(responses as object);
    expect(statuses).toEqual(expect.arrayContaining(['401', '403', '429', '500', '503']));
    // A body that is taken as it is can not be malformed.
    const malformed = content?.['application/x-tar'] ? [] : ['400'];
    if (content) {
      expect(statuses).toEqual(expect.arrayContaining([...malformed, '413', '415', '422']));
    }
  }
});
