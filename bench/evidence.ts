/** The evidence log: what it costs to commit to it, to prove what is in it, and to verify it. */
import { measureAppends } from './evidence-appends.ts';
import { benchProofs } from './evidence-proofs.ts';
import { benchVerify } from './evidence-verify.ts';
import type { Measured } from './measure.ts';

type Section = (tell: (text: string) => void) => Promise<Measured>;

/** One after the other; each starts and stops what it needs. */
const SECTIONS: readonly Section[] = [measureAppends, benchProofs, benchVerify];

export async function benchEvidence(tell: (text: string) => void): Promise<Measured> {
  const measured: Measured[] = [];
  for (const section of SECTIONS) measured.push(await section(tell));
  return {
    cases: measured.flatMap(({ cases }) => cases),
    ratios: measured.flatMap(({ ratios }) => ratios),
    peakMiB: Object.assign({}, ...measured.map(({ peakMiB }) => peakMiB)),
  };
}
