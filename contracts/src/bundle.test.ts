import { expect, test } from 'bun:test';
import { buildBundle } from './bundle.ts';
import { canonicalBytes } from './canonical-json.ts';
import { digestOf } from './digest.ts';
import { checkpointAt, honestLog, INSTANCE, logKey, WORKSPACE } from './testing/honest-log.ts';
import { LogBuilder } from './testing/log-builder.ts';
import { filesOf } from './testing/repackage.ts';
import { verifyBundle } from './verify-bundle.ts';

const key = await logKey();
const honest = await honestLog(['succeeded', 'failed']);
const parts = {
  instance: INSTANCE,
  workspace: WORKSPACE,
  asked: {},
  entries: honest.log.entries,
  checkpoint: await checkpointAt(honest.log, 5, key),
  verifierKeys: [key.verifierKey],
  artifacts: honest.artifacts,
  modules: honest.modules,
};

test('a whole log lies as tlog-tiles, with the bundle that its checkpoint’s size asks for', async () => {
  const paths = [...filesOf(await buildBundle(parts)).keys()];
  expect(paths.filter((path) => path.startsWith('log/'))).toEqual([
    'log/vkeys',
    'log/checkpoint',
    `log/tile/entries/000.p/${honest.log.entries.length}`,
    'log/tile/entries/000.p/5',
    'log/tile/0/000.p/5',
  ]);
});

test('artifacts and modules that no entry names stay out', async () => {
  const stray = new TextEncoder().encode('stray');
  const digest = await digestOf(stray);
  const bundle = await buildBundle({
    ...parts,
    artifacts: new Map([...honest.artifacts, [digest, stray]]),
    modules: new Map([[digest, stray]]),
  });
  const paths = [...filesOf(bundle).keys()];
  expect(paths.some((path) => path.includes(digest.slice(7)))).toBe(false);
});

test('a module that an entry names as its artifact is no omission', async () => {
  const log = new LogBuilder(WORKSPACE);
  const module = new TextEncoder().encode('\0asm');
  const digest = await digestOf(module);
  const retention = 'forensic';
  const artifacts = [{ digest, bytes: 4, mediaType: 'application/wasm', retention }] as const;
  await log.append({
    type: 'plugin.admitted',
    subject: { plugin: digest },
    data: {},
    artifacts: [...artifacts],
  });
  const bundle = await buildBundle({
    ...parts,
    entries: log.entries,
    checkpoint: await checkpointAt(log, 1, key),
    artifacts: new Map(),
    modules: new Map([[digest, module]]),
  });
  expect(await verifyBundle(bundle, { pin: key.verifierKey })).toMatchObject({
    verdict: 'verified',
    artifacts: { included: 0, omitted: 0, disposed: 0 },
    modules: 1,
  });
});

test('the README names log, origin and what was asked for', async () => {
  const readme = new TextDecoder().decode(filesOf(await buildBundle(parts)).get('README'));
  expect(readme).toContain('Log origin: test/acme');
  expect(readme).toContain('the whole evidence log of workspace "acme"');
});

test('what can not be exported is refused with a reason', async () => {
  const broken = { ...parts, entries: [new TextEncoder().encode('{')] };
  await expect(buildBundle(broken)).rejects.toThrow('not JSON');
  await expect(buildBundle({ ...parts, checkpoint: 'x' })).rejects.toThrow('checkpoint');
  await expect(buildBundle({ ...parts, verifierKeys: ['x'] })).rejects.toThrow('verifier key');
  const entries = [canonicalBytes({ seq: 0, subject: {} })];
  const asked = { action: honest.actions[0] ?? '' };
  await expect(buildBundle({ ...parts, entries, asked })).rejects.toThrow('need the whole log');
});
