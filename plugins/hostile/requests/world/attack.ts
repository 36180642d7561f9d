/** What came of one case, however it was carried out. */
import type { EgressCall } from '@portarium/contracts/internal-api';
import type { AttackCase } from '../corpus.ts';

export interface AttackOutcome {
  /** The journal of the action, in order. */
  readonly records: readonly Omit<EgressCall, 'requestDigest'>[];
  /** Everything that the guest was told: headers, bodies and reasons. */
  readonly seen: string;
  /** Denials in the evidence log, where there is one. */
  readonly denials?: number;
}

/** One way of carrying out cases: through the broker alone, or through the whole product. */
export interface Attacker {
  attack(one: AttackCase): Promise<AttackOutcome>;
  stop(): Promise<void>;
}

/** Secret of the credential that rules name; stands nowhere but in the request of the rule. */
export const SECRET = 'sk_corpus_0123456789abcdef';
/** Longest that one exchange may take here. */
export const TIMEOUT_MS = 1_200;
