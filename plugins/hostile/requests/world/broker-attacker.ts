/** The broker as a child process that is asked line by line. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { EgressContract } from '@portarium/contracts/egress-rule';
import type { readGrants } from '../corpus.ts';
import type { Attacker, AttackOutcome } from './attack.ts';
import type { BrokerLine } from './broker.ts';

/** Of every attempt; the budget cases count on them. */
export const LIMITS = { egressCalls: 8, egressBytesOut: 65_536, egressBytesIn: 262_144 } as const;

export function brokerAttacker(
  [program = '', ...argv]: readonly string[],
  grants: ReturnType<typeof readGrants>,
  authorities: string,
): Attacker {
  const child = spawn(program, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    async attack(one) {
      const { approval, ...layers } = grants;
      const contract: EgressContract = {
        ...layers,
        networks: [],
        approval: one.narrowed ? approval : [],
      };
      const line: BrokerLine = { one, contract, authorities, limits: LIMITS };
      child.stdin.write(`${JSON.stringify(line)}\n`);
      const answer = await lines.next();
      if (answer.done) throw new Error(`the broker ended at “${one.name}”`);
      return JSON.parse(answer.value) as AttackOutcome;
    },
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}
