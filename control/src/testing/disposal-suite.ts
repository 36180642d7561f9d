/** Holds and disposal, as one suite for every store, with retentions of seconds. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { Digest } from '@portarium/contracts/digest';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { dispose as disposeIn } from '../application/dispose.ts';
import {
  dispose,
  endedAction,
  entries,
  keptForLonger,
  LOCAL,
  liftHold,
  NO_DAYS,
  outcomes,
  pastRetention,
  placeHold,
  present,
} from './keep-and-dispose.ts';
import { pushLedger } from './ledger-plugin.ts';
import type { TestInstance } from './test-instance.ts';
import { ask, send } from './writes.ts';

const TIMEOUT_MS = 120_000;
const GONE = [false];
const THERE = [true];

/** @param start an instance whose store keeps everything as `short` says */
export function disposalSuite(
  store: string,
  start: () => Promise<TestInstance>,
  startingMs: number,
): void {
  let instance: TestInstance;
  beforeAll(async () => {
    instance = await start();
    await pushLedger(instance);
  }, startingMs);
  afterAll(() => instance?.[Symbol.asyncDispose](), 60_000);

  async function verify(action?: string) {
    const path = action === undefined ? '/evidence/export' : `/evidence/export?action=${action}`;
    const answer = await instance.call('GET', `/v1/workspaces/${LOCAL}${path}`, { role: 'admin' });
    const [pin] = instance.composed.context.signer.verifierKeys(LOCAL);
    return verifyBundle(new Uint8Array(await answer.arrayBuffer()), {
      pin,
      retentionDays: NO_DAYS,
    });
  }

  async function flags(digests: readonly Digest[]): Promise<readonly (boolean | undefined)[]> {
    const { objects } = instance.composed.context;
    const all = digests.map(async (one) => (await objects.lockOf(LOCAL, one))?.held);
    return [...new Set(await Promise.all(all))];
  }

  test(
    `${store}: what is past retention goes after an order, the log keeps its digest, and the evidence verifies`,
    async () => {
      const action = await endedAction(instance);
      const open = await ask(instance, { id: 'waits still' });
      await pastRetention();
      const dry = await dispose(instance, { dryRun: true });
      expect(outcomes(dry, action)).toEqual(['due']);
      expect(await present(instance, action)).toEqual(THERE);
      expect(outcomes(await dispose(instance), action)).toEqual(['removed']);
      expect(await present(instance, action)).toEqual(GONE);
      const all = await entries(instance);
      const ordered = all.findIndex(({ type }) => type === 'disposal.ordered');
      expect(all[ordered]?.data.digests).toEqual(expect.arrayContaining([...action.digests]));
      expect(all[ordered + 1]).toMatchObject({
        type: 'disposal.finished',
        data: { order: ordered, removed: all[ordered]?.data.digests, kept: [] },
      });
      for (const report of [await verify(), await verify(action.id)]) {
        expect([report.verdict, report.findings]).toEqual(['verified', []]);
        expect(report.artifacts.disposed).toBeGreaterThanOrEqual(2);
        expect(report.artifacts.omitted).toBe(0);
      }
      // Modules, and what has not ended, are worked with still.
      const plugins = await instance.composed.context.store.read(LOCAL, (tx) => tx.listPlugins());
      for (const { moduleDigest, manifestDigest } of plugins) {
        for (const digest of [moduleDigest, manifestDigest]) {
          expect(await instance.composed.context.objects.get(LOCAL, digest)).toBeDefined();
        }
      }
      const shown = await send(instance, 'operator', 'GET', `/actions/${open.id}`);
      expect(shown.status).toBe(200);
      const decided = await send(instance, 'approver', 'GET', `/approvals/${open.approval?.id}`);
      expect(decided.body).toMatchObject({ request: { input: { id: 'waits still' } } });
      // What went is answered for without it.
      const gone = await send(instance, 'operator', 'GET', `/actions/${action.id}`);
      expect(gone.status).toBe(200);
      const rationale = { rationale: 'the test is over' };
      await send(instance, 'operator', 'POST', `/actions/${open.id}/cancel`, rationale);
    },
    TIMEOUT_MS,
  );

  for (const kind of ['action', 'plugin', 'person', 'time'] as const) {
    test(
      `${store}: nothing under a hold by ${kind} is disposed of, in Portarium or past it, until it is lifted`,
      async () => {
        const action = await endedAction(instance);
        const all = await entries(instance);
        const named = all.find(({ subject }) => subject.action === action.id);
        const scope = {
          action: { action: action.id },
          plugin: { plugin: 'ledger' },
          person: { person: named?.actor.id },
          time: { from: named?.time },
        }[kind];
        const { id, artifacts, inStore } = await placeHold(instance, { kind, ...scope });
        expect(artifacts).toBeGreaterThanOrEqual(2);
        expect(inStore).toBe(true);
        expect(await flags(action.digests)).toEqual([true]);
        // What comes to the scope later has no flag yet.
        const later = kind === 'action' ? undefined : await endedAction(instance);
        await pastRetention();
        const held = await dispose(instance);
        expect(outcomes(held, action)).toEqual(['hold']);
        if (later) expect(outcomes(held, later)).toEqual(['hold']);
        const { objects } = instance.composed.context;
        for (const digest of [...action.digests, ...(later?.digests ?? [])]) {
          expect(await objects.remove(LOCAL, digest)).toEqual({ outcome: 'kept', why: 'hold' });
        }
        // A flag that is gone is no reason to dispose of what a hold covers.
        for (const digest of action.digests) await objects.setHold(LOCAL, digest, false);
        expect(outcomes(await dispose(instance), action)).toEqual(['hold']);
        for (const digest of action.digests) await objects.setHold(LOCAL, digest, true);
        const other = await placeHold(instance, { kind: 'action', action: action.id });
        expect(await liftHold(instance, id)).toBe(200);
        expect(await liftHold(instance, id)).toBe(409);
        expect(await flags(action.digests)).toEqual([true]);
        if (later) expect(await flags(later.digests)).toEqual([false]);
        expect(outcomes(await dispose(instance), action)).toEqual(['hold']);
        await liftHold(instance, other.id);
        expect(await flags(action.digests)).toEqual([false]);
        expect(outcomes(await dispose(instance), action)).toEqual(['removed']);
        expect((await verify()).verdict).toBe('verified');
      },
      TIMEOUT_MS,
    );
  }

  test(
    `${store}: of a hold and a disposal at once, what the hold came before is there, and what it came after was told before it`,
    async () => {
      for (let round = 0; round < 6; round++) {
        const actions = await Promise.all([1, 2, 3].map(() => endedAction(instance)));
        await pastRetention();
        const placing = actions.map(async ({ id }, i) => {
          await new Promise((resolve) => setTimeout(resolve, i * 7 * round));
          return placeHold(instance, { kind: 'action', action: id });
        });
        const [holds] = await Promise.all([
          Promise.all(placing),
          dispose(instance, { limit: 400 }),
          dispose(instance, { limit: 2 }),
        ]);
        const all = await entries(instance);
        for (const [i, action] of actions.entries()) {
          const placed = all.findIndex(
            ({ type, data }) => type === 'hold.placed' && data.hold === holds[i]?.id,
          );
          for (const digest of action.digests) {
            const says = (type: string, field: string) =>
              all.findIndex(
                (one) => one.type === type && (one.data[field] as string[]).includes(digest),
              );
            const ordered = says('disposal.ordered', 'digests');
            const removed = says('disposal.finished', 'removed');
            const there = await instance.composed.context.objects.get(LOCAL, digest);
            const where = `round ${round}: placed ${placed}, ordered ${ordered}, removed ${removed}`;
            expect(there === undefined, where).toBe(ordered >= 0);
            if (ordered >= 0) expect(ordered < removed && removed < placed, where).toBe(true);
          }
        }
        for (const { id } of holds) await liftHold(instance, id);
        expect((await verify()).verdict).toBe('verified');
      }
    },
    TIMEOUT_MS,
  );

  test(
    `${store}: an order for what the store still keeps removes nothing, and is told`,
    async () => {
      const action = await keptForLonger(() => endedAction(instance));
      const { context } = instance.composed;
      const key = await context.directory.listKeys(null);
      const caller = { key: key.find(({ role }) => role === 'admin'), trace: '0'.repeat(32) };
      // Whoever decides is told that everything is over; the store knows better.
      const lying = {
        ...context,
        retentionOf: async () => -60_000,
        objects: {
          ...context.objects,
          lockOf: async () => ({ retainUntilMs: 0, held: false }),
        },
      };
      const wanted = { dryRun: false, reason: 'too early', limit: 400 };
      const done = await disposeIn(lying, caller as never, LOCAL, { ...wanted, after: undefined });
      expect(done.ok).toBe(true);
      expect(await present(instance, action)).toEqual(THERE);
      const finished = (await entries(instance)).findLast(
        ({ type }) => type === 'disposal.finished',
      );
      expect(finished?.data.kept).toEqual(
        expect.arrayContaining(action.digests.map((digest) => ({ digest, why: 'retention' }))),
      );
      expect((await verify()).verdict).toBe('verified');
      await pastRetention();
      // Without the lie it is not even ordered.
      expect(outcomes(await dispose(instance), action)).toEqual(['retention']);
    },
    TIMEOUT_MS,
  );

  test(
    `${store}: what is named again after the order is kept, or is there again`,
    async () => {
      const action = await endedAction(instance);
      const [digest = '' as Digest] = action.digests;
      await pastRetention();
      const { context } = instance.composed;
      const bytes = (await context.objects.get(LOCAL, digest)) ?? new Uint8Array();
      const keys = await context.directory.listKeys(null);
      const caller = { key: keys.find(({ role }) => role === 'admin'), trace: '0'.repeat(32) };
      for (const when of ['after', 'before'] as const) {
        const again = async () => {
          await context.objects.put(LOCAL, bytes, 'operational');
          await context.store.submit(LOCAL, async (tx) => {
            const artifact = { digest, bytes: bytes.length, mediaType: 'application/json' };
            tx.append({
              type: 'key.created',
              actor: { kind: 'system', id: 'test' },
              subject: {},
              data: {},
              artifacts: [{ ...artifact, retention: 'operational' }],
              trace: null,
            });
          });
        };
        const racing = {
          ...context,
          objects: {
            ...context.objects,
            async remove(...args: Parameters<typeof context.objects.remove>) {
              if (args[1] === digest && when === 'before') await keptForLonger(again);
              const removal = await context.objects.remove(...args);
              if (args[1] === digest && when === 'after') await again();
              return removal;
            },
          },
        };
        const wanted = { dryRun: false, reason: 'a race', limit: 400, after: undefined };
        expect((await disposeIn(racing, caller as never, LOCAL, wanted)).ok).toBe(true);
        expect(await context.objects.get(LOCAL, digest)).toEqual(bytes);
        const report = await verify();
        expect([when, report.verdict, report.findings]).toEqual([when, 'verified', []]);
        await pastRetention();
      }
      expect(outcomes(await dispose(instance), action)).toContain('retention');
      expect(await context.objects.get(LOCAL, digest)).toEqual(bytes);
    },
    TIMEOUT_MS,
  );
}
