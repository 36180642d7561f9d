/** Calls of the last minute under egress rules that have a rate: one count for all hosts and replicas. */
import type { Rate } from '@portarium/contracts/egress-rule';
import type { CallsBySecond } from '../../domain/minute-rate.ts';

/** One rule of a plugin, whatever its version. */
export type RateScope = Pick<Rate, 'layer' | 'rule'> & { readonly plugin: string };

export interface RateWrites {
  /** Locks the count until the commit. `nowMs` is the database's clock, later than any count before. */
  lockRate(scope: RateScope): Promise<{ readonly calls: CallsBySecond; readonly nowMs: number }>;
  /** Puts a count in the place of the locked one. */
  putRate(scope: RateScope, calls: CallsBySecond): Promise<void>;
}
