/**
 * The defences that must be missed when they are gone: each names its place in the source, what stands
 * there without it, and tests that have to fail then.
 */
import { type Defence, OWN_SERVERS } from './defence.ts';
import { EGRESS_DEFENCES } from './egress-defences.ts';
import { EVIDENCE_DEFENCES } from './evidence-defences.ts';
import { SANDBOX_DEFENCES } from './sandbox-defences.ts';
import { STORE_DEFENCES } from './store-defences.ts';
import { TENANCY_DEFENCES } from './tenancy-defences.ts';
import { TREE_DEFENCES } from './tree-defences.ts';
import { WRITE_DEFENCES } from './write-defences.ts';

export const DEFENCES: readonly Defence[] = [
  ...WRITE_DEFENCES,
  ...EGRESS_DEFENCES,
  ...EVIDENCE_DEFENCES,
  ...SANDBOX_DEFENCES,
  ...TREE_DEFENCES,
  ...STORE_DEFENCES,
  ...TENANCY_DEFENCES.map((one) => ({ ...one, environment: OWN_SERVERS })),
];
