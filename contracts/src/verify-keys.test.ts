import { beforeAll, expect, test } from 'bun:test';
import { parse } from 'valibot';
import { buildBundle } from './bundle.ts';
import { canonicalBytes } from './canonical-json.ts';
import { ActionIdSchema } from './ids.ts';
import type { Rotations } from './key-rotation.ts';
import { cosignNote } from './signed-note.ts';
import {
  checkpointAt,
  type HonestLog,
  honestLog,
  INSTANCE,
  logKey,
  WORKSPACE,
} from './testing/honest-log.ts';
import { filesOf, pack } from './testing/repackage.ts';
import { type Lie, rotationsOf } from './testing/rotated-keys.ts';
import { type TestKey, testKey } from './testing/test-key.ts';
import { verifyBundle } from './verify-bundle.ts';

let honest: HonestLog;
let first: TestKey;
let second: TestKey;
let third: TestKey;
let foreign: TestKey;
/** The seq of a handover, in the instance's log, that is later than every entry here. */
let late = 0;

beforeAll(async () => {
  honest = await honestLog(['approvedWrite', 'read']);
  [first, second, third, foreign] = await Promise.all([
    logKey(),
    testKey('test/second'),
    testKey('test/third'),
    testKey('test/foreign'),
  ]);
  late = honest.log.entries.length + 5;
});

interface Exported {
  readonly signers: readonly TestKey[];
  readonly rotations?: Rotations | undefined;
  readonly listed?: readonly TestKey[];
  readonly action?: string;
}

async function exported({ signers, rotations, listed, action }: Exported): Promise<Uint8Array> {
  const { log, artifacts, modules } = honest;
  const [signer, ...more] = signers;
  let checkpoint = await checkpointAt(log, log.entries.length, signer ?? first);
  for (const each of more) {
    checkpoint = await cosignNote(checkpoint, each.name, each.privateKey, each.publicKey);
  }
  return buildBundle({
    ...{ instance: INSTANCE, workspace: WORKSPACE, artifacts, modules, checkpoint, rotations },
    asked: action === undefined ? {} : { action: parse(ActionIdSchema, action) },
    entries: log.entries,
    verifierKeys: (listed ?? signers).map((key) => key.verifierKey),
  });
}

async function verdictOf(bundle: Uint8Array, pin: TestKey, since?: string) {
  const report = await verifyBundle(bundle, { pin: pin.verifierKey, since });
  // Without a checkpoint that is believed every tile is one too many, too.
  const rules = report.findings.map(({ rule }) => rule).filter((rule) => rule !== 'tile.hash');
  return [report.verdict, rules];
}

test('whoever pinned the first key verifies what the third one signed, offline, by the handovers', async () => {
  const rotations = await rotationsOf([first, second, third], [3, 9]);
  for (const action of [undefined, honest.actions[0]]) {
    const bundle = await exported({
      ...{ signers: [third], rotations },
      ...(action === undefined ? {} : { action }),
    });
    for (const [pin, handovers] of [
      [first, 2],
      [second, 1],
      [third, undefined],
    ] as const) {
      const report = await verifyBundle(bundle, { pin: pin.verifierKey });
      expect([report.verdict, report.findings]).toEqual(['verified', []]);
      expect(report.keyHandovers).toBe(handovers);
      expect(report.signedBy).toStartWith('test/third+');
    }
  }
});

test('without the handovers the newer key is a foreign one', async () => {
  const bundle = await exported({ signers: [second], listed: [second, first] });
  expect(await verdictOf(bundle, first)).toEqual(['falsified', ['checkpoint.signature']]);
});

test('a list of keys makes none believed: neither log/vkeys nor keys.json', async () => {
  const bundle = await exported({ signers: [foreign], listed: [foreign, first] });
  expect(await verdictOf(bundle, first)).toEqual(['falsified', ['checkpoint.signature']]);
});

test('an overlap checkpoint of both keys verifies under either, with and without the handover', async () => {
  const rotations = await rotationsOf([first, second], [3]);
  for (const given of [rotations, undefined]) {
    const bundle = await exported({ signers: [first, second], rotations: given });
    for (const pin of [first, second]) {
      expect(await verdictOf(bundle, pin)).toEqual(['verified', []]);
    }
  }
});

test('every bit of the checkpoint over the handovers counts, also in the line of the key that handed over', async () => {
  const { checkpoint: byOne, ...rest } = await rotationsOf([first, second], [3]);
  const { name, privateKey, publicKey } = first;
  const checkpoint = await cosignNote(byOne, name, privateKey, publicKey);
  const given = (note: string) => ({ ...rest, checkpoint: note });
  const honestly = await exported({ signers: [second], rotations: given(checkpoint) });
  expect(await verdictOf(honestly, first)).toEqual(['verified', []]);
  for (let at = checkpoint.indexOf('— '); at < checkpoint.length; at++) {
    const other = String.fromCharCode(checkpoint.charCodeAt(at) ^ 1);
    const changed = `${checkpoint.slice(0, at)}${other}${checkpoint.slice(at + 1)}`;
    const bundle = await exported({ signers: [second], rotations: given(changed) });
    expect([at, (await verdictOf(bundle, first))[0]]).toEqual([at, 'falsified']);
  }
});

test('a handover that the old key did not sign, or not the new one, or only one of them, is refused', async () => {
  const lies: Lie[] = [
    { oldSigner: foreign },
    { newSigner: foreign },
    { without: 'old' },
    { without: 'new' },
    { origin: 'elsewhere/_instance' },
    { origin: `${INSTANCE}/${WORKSPACE}` },
  ];
  for (const lie of lies) {
    const rotations = await rotationsOf([first, second], [3], lie);
    const [verdict, rules] = await verdictOf(
      await exported({ signers: [second], rotations }),
      first,
    );
    expect([lie, verdict, rules]).toEqual([
      lie,
      'falsified',
      ['rotation.signature', 'checkpoint.signature'],
    ]);
  }
});

test('a self-made chain that begins with another key leads nowhere from the pinned one', async () => {
  const rotations = await rotationsOf([foreign, second], [3]);
  const bundle = await exported({ signers: [second], rotations, listed: [second, foreign, first] });
  expect(await verdictOf(bundle, first)).toEqual(['falsified', ['checkpoint.signature']]);
});

test('handovers that do not follow one another are refused', async () => {
  const own = await rotationsOf([first, second], [3]);
  const other = await rotationsOf([foreign, third], [9]);
  const mixed = { ...own, rotations: [...own.rotations, ...other.rotations] };
  const bundle = await exported({ signers: [third], rotations: mixed });
  const [verdict, rules] = await verdictOf(bundle, first);
  expect([verdict, rules]).toEqual(['falsified', ['rotation.chain', 'checkpoint.signature']]);
});

test('a handover has to be in the log of the instance, which the newest key signs', async () => {
  const good = await rotationsOf([first, second], [3]);
  const [own] = good.rotations;
  if (!own) throw new Error('no handover');
  const elsewhere = await rotationsOf([first, second], [7]);
  const bad = [
    await rotationsOf([first, second], [3], { checkpointBy: first }),
    await rotationsOf([first, second], [3], { checkpointBy: foreign }),
    await rotationsOf([first, second], [3], { root: new Uint8Array(32) }),
    { ...good, checkpoint: elsewhere.checkpoint },
    { ...good, rotations: [{ ...own, inclusion: own.inclusion.slice(1) }] },
    { ...good, rotations: [{ ...own, consistency: [] }] },
    { ...good, rotations: [{ ...own, inclusion: ['!'] }] },
  ];
  for (const rotations of bad) {
    const bundle = await exported({ signers: [second], rotations });
    const [verdict, rules] = await verdictOf(bundle, first);
    expect([verdict, rules]).toEqual(['falsified', ['rotation.proof', 'checkpoint.signature']]);
  }
});

test('what is no list of handovers is told of, whatever it is', async () => {
  const files = filesOf(await exported({ signers: [first] }));
  for (const value of [{}, [], { v: 1, checkpoint: '', rotations: [] }, { v: 2 }]) {
    files.set('log/rotations.json', canonicalBytes(value));
    const [verdict, rules] = await verdictOf(await pack(new Map(files)), first);
    expect([verdict, rules]).toEqual(['falsified', ['rotation.malformed']]);
  }
});

test('an expired key signs nothing newer than its handover, and what it signed before stays good', async () => {
  const early = await rotationsOf([first, second], [3]);
  const stale = await exported({ signers: [first], rotations: early });
  const [verdict, rules] = await verdictOf(stale, first);
  expect([verdict, rules]).toEqual(['falsified', ['checkpoint.key-expired']]);
  const after = await exported({
    signers: [first],
    rotations: await rotationsOf([first, second], [late]),
  });
  expect(await verdictOf(after, first)).toEqual(['verified', []]);
  // Nobody who pins the newer key believes the older one.
  expect(await verdictOf(after, second)).toEqual(['falsified', ['checkpoint.signature']]);
});

test('a checkpoint that was kept from before a handover is read by whoever pins the newer key', async () => {
  const rotations = await rotationsOf([first, second], [3]);
  const bundle = await exported({ signers: [second], rotations });
  const kept = await checkpointAt(honest.log, 5, first);
  expect(await verdictOf(bundle, second, kept)).toEqual(['verified', []]);
  expect(await verdictOf(bundle, first, kept)).toEqual(['verified', []]);
  const other = await honestLog(['failed']);
  const forked = await checkpointAt(other.log, 5, first);
  expect(await verdictOf(bundle, second, forked)).toEqual(['falsified', ['since.root']]);
  const made = await checkpointAt(honest.log, 5, foreign);
  expect(await verdictOf(bundle, second, made)).toEqual(['unreadable', ['since.malformed']]);
});

test('no bit of the handovers can be flipped without notice', async () => {
  const rotations = await rotationsOf([first, second], [3]);
  const files = filesOf(await exported({ signers: [second], rotations }));
  const bytes = files.get('log/rotations.json') ?? new Uint8Array();
  for (let i = 0; i < bytes.length; i += 97) {
    const flipped = bytes.map((byte, at) => (at === i ? byte ^ 1 : byte));
    const [verdict] = await verdictOf(
      await pack(new Map([...files, ['log/rotations.json', flipped]])),
      first,
    );
    expect([i, verdict]).toEqual([i, 'falsified']);
  }
});
