/**
 * Carries out cases through the broker alone, one line in and one line out. Runs on Bun and, bundled, on
 * Deno; gives leave to whatever the broker asks for, so that nobody but the broker can refuse.
 */
import { createInterface } from 'node:readline';
import type { EgressContract } from '@portarium/contracts/egress-rule';
import { makeId } from '@portarium/contracts/ids';
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { ActionJournal } from '@portarium/sandbox/egress/action-journal';
import type { CallIntent, EgressControl } from '@portarium/sandbox/egress/egress-control';
import { EgressSession } from '@portarium/sandbox/egress/egress-session';
import { removeProxies } from '@portarium/sandbox/egress/proxy-environment';
import { ownAddresses, systemResolve } from '@portarium/sandbox/egress/resolve';
import type { AttackCase } from '../corpus.ts';
import { type AttackOutcome, SECRET, TIMEOUT_MS } from './attack.ts';

export interface BrokerLine {
  readonly one: AttackCase;
  readonly contract: EgressContract;
  readonly authorities: string;
  readonly limits: Partial<typeof DEFAULT_LIMITS>;
}

class EagerControl implements EgressControl {
  async intend({ url }: CallIntent) {
    const credential = {
      id: makeId('credential', 1, new Uint8Array(10)),
      slot: 'api',
      version: 1,
      kind: 'bearer',
      secret: SECRET,
    } as const;
    const leave = {
      sendWithinMs: 5_000,
      timeoutMs: TIMEOUT_MS,
      ...(new URL(url).pathname.startsWith('/secret/') ? { credential } : {}),
    };
    return { kind: 'send', askedAt: performance.now(), leave } as const;
  }

  async body(digest: string): Promise<never> {
    throw new Error(`nothing was recorded before, and ${digest} was asked for`);
  }
}

async function attack(line: BrokerLine): Promise<AttackOutcome> {
  const { one, contract, authorities, limits } = line;
  const session = new EgressSession(
    { workspace: 'corpus', contract, effect: one.effect, limits: { ...DEFAULT_LIMITS, ...limits } },
    { resolve: systemResolve, ownAddresses: ownAddresses(), timeoutMs: TIMEOUT_MS, authorities },
    new ActionJournal([]),
    new EagerControl(),
  );
  const seen: string[] = [];
  for (const { body, ...request } of one.requests) {
    const answer = await session.request({ ...request, body: new TextEncoder().encode(body) });
    if (answer.kind === 'response') {
      seen.push(
        JSON.stringify(answer.headers),
        Buffer.from(answer.body).toString('latin1', 0, 65_536),
      );
    } else seen.push(answer.kind === 'failed' ? answer.reason : answer.message);
    if (answer.kind === 'refused') break;
  }
  await session.close();
  session.recordCut();
  const records = session.calls.map(({ requestDigest: _digest, ...record }) => record);
  return { records, seen: seen.join('\n') };
}

removeProxies(process.env);
for await (const line of createInterface({ input: process.stdin })) {
  const outcome = await attack(JSON.parse(line) as BrokerLine);
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
