import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ManifestSchema } from '@portarium/contracts/manifest';
import * as v from 'valibot';
import { pointAt } from './derive-manifest.ts';
import { readManifest } from './plugin-manifest.ts';

const file = join(import.meta.dir, '../../examples/stripe-refunds/plugin.json');
const manifest = readManifest(readFileSync(file, 'utf8'), file);
const target = { scheme: 'http', host: 'localhost', port: 12_111 } as const;

test('a derived manifest names the new target in rules, credentials, configuration and version', () => {
  const derived = v.parse(ManifestSchema, pointAt(manifest, target));
  expect(derived.egress).toHaveLength(2);
  for (const rule of derived.egress) expect(rule).toMatchObject(target);
  expect(derived.credentials).toMatchObject([
    { slot: 'stripe', kind: 'bearer', host: 'localhost' },
  ]);
  expect(derived.config.baseUrl?.default).toBe('http://localhost:12111');
  expect(derived.version).toBe('1.1.0-at-http-localhost-12111');
});

test('what the plugin may do at the target stays as it was', () => {
  const before = v.parse(ManifestSchema, manifest);
  const after = v.parse(ManifestSchema, pointAt(manifest, target));
  for (const [at, rule] of after.egress.entries()) {
    const { scheme: _s, host: _h, port: _p, ...rest } = rule;
    expect(before.egress[at]).toMatchObject(rest);
  }
  expect(after.credentials.map(({ host: _h, ...rest }) => rest)).toEqual(
    before.credentials.map(({ host: _h, ...rest }) => rest),
  );
  expect(after.operations).toEqual(before.operations);
});

test('the original manifest is not changed', () => {
  const copy = structuredClone(manifest);
  pointAt(manifest, target);
  expect(manifest).toEqual(copy);
});

test('addresses and prereleases give valid versions, and each target its own', () => {
  const at = (host: string, port: number) =>
    v.parse(
      ManifestSchema,
      pointAt({ ...manifest, version: '2.0.0-rc.1' }, { ...target, host, port }),
    ).version;
  expect(at('127.0.0.1', 80)).toBe('2.0.0-rc.1.at-http-127-0-0-1-80');
  expect(at('[::1]', 8080)).toBe('2.0.0-rc.1.at-http-1-8080');
  expect(at('127.0.0.1', 80)).not.toBe(at('127.0.0.1', 81));
});

test('a version that would grow too long is refused with what to do', () => {
  expect(() => pointAt(manifest, { ...target, host: `${'a'.repeat(60)}.example.com` })).toThrow(
    'shorter host name',
  );
});
