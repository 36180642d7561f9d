import { expect, test } from 'bun:test';
import { growthOf } from '@portarium/contracts/contract-growth';
import type { PluginVersion } from './answers.ts';
import { checkGrowth } from './growth-check.ts';
import { sampleGrowth, servingGrowth } from './testing/sample-growth.ts';

async function check(version: PluginVersion, from: PluginVersion) {
  await using served = servingGrowth([from, version]);
  return await checkGrowth(served.client, version);
}
const refusal = (version: PluginVersion, from: PluginVersion) =>
  check(version, from).then(
    () => 'nothing was refused',
    (error: Error) => error.message,
  );

test('the digest is computed here, and the difference from both manifests', async () => {
  const { version, from } = await sampleGrowth();
  const checked = await check(version, from);
  expect(checked.digest).toBe(version.approval?.digest as typeof checked.digest);
  expect(checked.approval.statement.growth).toMatchObject([{ kind: 'rule-widened' }]);
});

test('a difference that leaves something out, or is about other manifests, is refused', async () => {
  const honest = await sampleGrowth();
  const hiding = await sampleGrowth({ growth: [] });
  expect(await refusal(hiding.version, hiding.from)).toContain('the difference is shown as');
  const [operation] = honest.version.manifest.operations;
  if (!operation) throw new Error('the sample has an operation');
  const operations = [operation, { ...operation, name: 'wipe', effect: 'destructive' as const }];
  const wider = { ...honest.version, manifest: { ...honest.version.manifest, operations } };
  expect(growthOf(honest.from.manifest, wider.manifest)).toHaveLength(2);
  const told = await refusal(wider, honest.from);
  expect(told).toContain('the manifest of the version is shown as');
  expect(told).toContain('the difference is shown as');
  expect(told).toContain('Nothing was decided');
  expect(await refusal(honest.version, { ...honest.from, manifest: wider.manifest })).toContain(
    'the manifest of the earlier version is shown as',
  );
});

test('a digest of something else, another workspace or another plugin is refused', async () => {
  const { version, from } = await sampleGrowth();
  const other = await sampleGrowth({ version: '1.1.1' });
  const approval = { ...version.approval, digest: other.version.approval?.digest };
  expect(await refusal({ ...version, approval } as PluginVersion, from)).toContain(
    'the digest is shown as',
  );
  const elsewhere = await sampleGrowth({ workspace: 'other' as never });
  expect(await refusal(elsewhere.version, elsewhere.from)).toContain('the workspace is shown as');
  const another = await sampleGrowth({ plugin: 'another' });
  expect(await refusal(another.version, another.from)).toContain('the plugin is shown as');
});

test('a version that nobody is asked about is told so', async () => {
  const { from } = await sampleGrowth();
  expect(await refusal(from, from)).toContain('can do no more');
});
