/** An honest log with every kind of story that an action can have, and bundles of it. */
import { parse } from 'valibot';
import { buildBundle } from '../bundle.ts';
import type { BundleRequest } from '../bundle-layout.ts';
import { checkpointText } from '../checkpoint.ts';
import { type Digest, digestOf } from '../digest.ts';
import { ActionIdSchema } from '../ids.ts';
import type { Rotations } from '../key-rotation.ts';
import { merkleRoot } from '../merkle.ts';
import { signNote } from '../signed-note.ts';
import { OUTPUT, PLUGIN, REWRITTEN } from './action-parts.ts';
import { ActionTeller } from './action-teller.ts';
import { type Draft, LogBuilder } from './log-builder.ts';
import { type Digests, OLDER_STORIES, type OlderTell } from './older-stories.ts';
import { ORDERED_STORIES, type OrderedTell } from './ordered-stories.ts';
import { type TestKey, testKey } from './test-key.ts';

export const INSTANCE = 'test';
export const WORKSPACE = 'acme';
export const ORIGIN = `${INSTANCE}/${WORKSPACE}`;

const encoder = new TextEncoder();
const INPUT = encoder.encode('{"charge":"ch_1"}');
const JOURNAL = encoder.encode('[]');

export interface HonestLog {
  readonly log: LogBuilder;
  /** One of each story, in the order of {@link STORIES}. */
  readonly actions: readonly string[];
  readonly artifacts: ReadonlyMap<Digest, Uint8Array>;
  readonly modules: ReadonlyMap<Digest, Uint8Array>;
}

const TOLD = { ...OLDER_STORIES, ...ORDERED_STORIES };
export type StoryName = keyof typeof TOLD | 'open';

/** Names of stories; all but the last, `open`, come to an end. */
export const STORIES: readonly StoryName[] = [
  ...(Object.keys(TOLD) as (keyof typeof TOLD)[]),
  'open',
];

/** The beginning of a story. */
const open: OrderedTell = async (action) => {
  await action.request('read', 'auto');
  await action.start();
};

/** @param names stories in order; every story once when left out */
export async function honestLog(names: readonly StoryName[] = STORIES): Promise<HonestLog> {
  const log = new LogBuilder(WORKSPACE);
  const digests: Digests = {
    input: await digestOf(INPUT),
    output: await digestOf(OUTPUT),
    journal: await digestOf(JOURNAL),
    other: await digestOf(encoder.encode('other')),
  };
  const plugin = await digestOf(PLUGIN);
  const artifacts = new Map([[digests.input, INPUT]]);
  await log.append({ type: 'workspace.created', subject: {}, data: { name: 'Acme' } });
  await log.append({ type: 'plugin.admitted', subject: { plugin }, data: {} });
  const actions: string[] = [];
  for (const name of names) {
    if (name in OLDER_STORIES) {
      actions.push(
        await tellOlder(log, OLDER_STORIES[name as keyof typeof OLDER_STORIES], digests),
      );
      continue;
    }
    const action = new ActionTeller(log, artifacts);
    actions.push(action.action);
    await (name === 'open' ? open : ORDERED_STORIES[name as keyof typeof ORDERED_STORIES])(action);
  }
  const modules = new Map([
    [plugin, PLUGIN],
    [await digestOf(REWRITTEN), REWRITTEN],
  ]);
  return { log, actions, artifacts, modules };
}

async function tellOlder(log: LogBuilder, tell: OlderTell, digests: Digests): Promise<string> {
  const action = log.id('action');
  const drafts: Draft[] = [requested(action, digests)];
  tell(
    (type, data = {}, artifacts = []) =>
      drafts.push({ type, data, artifacts, subject: { action } }),
    digests,
    () => log.id('attempt'),
  );
  for (const draft of drafts) await log.append(draft);
  return action;
}

function requested(action: string, digests: Digests): Draft {
  const artifact = (digest: Digest, bytes: Uint8Array) =>
    ({
      digest,
      bytes: bytes.length,
      mediaType: 'application/json',
      retention: 'operational',
    }) as const;
  return {
    type: 'action.requested',
    subject: { action },
    data: {
      operation: 'listRefunds',
      effect: 'read',
      plugin: 'stripe-refunds',
      version: '1.2.0',
      inputDigest: digests.input,
      contractDigest: digests.other,
    },
    // The output is left out of the bundles, so that an omission is part of every test.
    artifacts: [artifact(digests.input, INPUT), artifact(digests.output, OUTPUT)],
  };
}

/** The signed note of the log's first `size` entries. */
export async function checkpointAt(log: LogBuilder, size: number, key: TestKey): Promise<string> {
  const root = await merkleRoot((await log.leaves()).slice(0, size));
  const text = checkpointText({ origin: ORIGIN, size, root });
  return signNote(text, key.name, key.privateKey, key.publicKey);
}

/** The key that signs honest bundles; tests pin its verifier key. */
export function logKey(): Promise<TestKey> {
  return testKey(ORIGIN);
}

/** What signs a bundle: {@link logKey} up to all of the log when left out. */
export interface Signing {
  readonly size?: number;
  readonly key?: TestKey;
  readonly rotations?: Rotations;
}

/** A bundle of the whole log, signed up to `size` (all of it when left out). */
export function wholeBundle(honest: HonestLog, size?: number): Promise<Uint8Array> {
  return bundleOf(honest, {}, size === undefined ? {} : { size });
}

/** A bundle of one action, with the proofs that the signed size gives. */
export function actionBundle(
  honest: HonestLog,
  action: string,
  size?: number,
): Promise<Uint8Array> {
  const asked = { action: parse(ActionIdSchema, action) };
  return bundleOf(honest, asked, size === undefined ? {} : { size });
}

/** A bundle of what was asked for, signed as one likes. */
export async function bundleOf(
  { log, artifacts, modules }: HonestLog,
  asked: BundleRequest,
  { size = log.entries.length, key, rotations }: Signing,
): Promise<Uint8Array> {
  const signer = key ?? (await logKey());
  return buildBundle({
    ...{ instance: INSTANCE, workspace: WORKSPACE, asked, entries: log.entries },
    checkpoint: await checkpointAt(log, size, signer),
    verifierKeys: [signer.verifierKey],
    ...{ rotations, artifacts, modules },
  });
}
