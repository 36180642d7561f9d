/** Whether a workspace is under regulated retention. */
import type { KeyId } from '@portarium/contracts/ids';

export interface Regulation {
  /** Its artifacts are taken only while the evidence store passes every check of the lock battery. */
  readonly regulated: boolean;
  /** Grows with each change; 0 when nobody set it. */
  readonly revision: number;
}

export interface RegulationReads {
  regulation(): Promise<Regulation>;
}

export interface RegulationWrites {
  /** The setting; nobody else changes it until the commit. */
  lockRegulation(): Promise<Regulation>;
  putRegulation(regulated: boolean, by: KeyId, at: string): Promise<Regulation>;
}
