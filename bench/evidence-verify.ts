/**
 * Entries verified a second: the bundle of a whole log with everything that is checked of it (signature,
 * canonical form, chain, Merkle root, tiles, stories with their artifacts), beside nothing but SHA-256
 * over the same bytes.
 */
import { sha256Each } from '@portarium/contracts/digest';
import {
  honestLog,
  logKey,
  type StoryName,
  wholeBundle,
} from '@portarium/contracts/testing/honest-log';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import type { Case, Measured } from './measure.ts';
import { summarise } from './measure.ts';

/** Entries a second, on two cores. */
const AIM = 100_000;
const ROUNDS = 7;
/** Actions in the log, of a mix that a busy workspace has: most read, some write with people’s leave. */
const ACTIONS = 12_000;
const MIX: readonly StoryName[] = [
  ...(['read', 'quiet', 'read', 'quiet', 'approvedWrite', 'quiet', 'read', 'denied'] as const),
];

export async function benchVerify(tell: (text: string) => void): Promise<Measured> {
  tell(`making a log of ${ACTIONS} actions`);
  const names = Array.from({ length: ACTIONS }, (_, i) => MIX[i % MIX.length] ?? 'quiet');
  const log = await honestLog(names);
  const { entries } = log.log;
  const bundle = await wholeBundle(log);
  const { verifierKey: pin } = await logKey();
  tell(`${entries.length} entries, ${(bundle.length / 2 ** 20).toFixed(0)} MiB`);
  const verified: number[] = [];
  const hashed: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const whole = await timed(async () => {
      const { verdict, findings } = await verifyBundle(bundle, { pin });
      if (verdict !== 'verified') throw new Error(`${verdict}: ${findings[0]?.message}`);
    });
    const hash = await timed(() =>
      sha256Each(entries.length, (i) => entries[i] ?? new Uint8Array()),
    );
    // The first round warms up.
    if (round === 0) continue;
    verified.push(whole);
    hashed.push(hash);
  }
  const perEntry = (name: string, times: readonly number[]): Case => {
    const each = times.map((ms) => ms / entries.length);
    const { p50Ms, ...rest } = summarise(name, each, 1);
    return { ...rest, p50Ms, n: entries.length * times.length, perSecond: 1_000 / p50Ms };
  };
  const ours = perEntry('an entry verified, with its part of stories and artifacts', verified);
  const plain = perEntry('SHA-256 of an entry, and no more', hashed);
  const value = ours.perSecond;
  const ok = value >= AIM;
  const missed = { missed: 'see docs/reference/proofs.md' };
  return {
    cases: [ours, plain],
    ratios: [{ name: 'entries verified a second', value, aim: AIM, ok, ...(ok ? {} : missed) }],
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

if (import.meta.main) {
  const measured = await benchVerify((text) => console.error(text));
  console.log(JSON.stringify(measured, null, 1));
}
