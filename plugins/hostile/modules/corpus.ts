/** The corpus of hostile modules: every family, and what each case is uploaded and run as. */
import {
  type AttemptLimits,
  effectiveLimits,
  type LimitsRequest,
} from '@portarium/contracts/limits';
import { control } from './families/control.ts';
import { depth } from './families/depth.ts';
import { features } from './families/features.ts';
import { floods } from './families/flood.ts';
import { hostCalls } from './families/host-calls.ts';
import { imports } from './families/imports.ts';
import { leftovers } from './families/leftovers.ts';
import { loops } from './families/loops.ts';
import { malformedModules } from './families/malformed.ts';
import { memory } from './families/memory.ts';
import { probes } from './families/probes.ts';
import { schemas } from './families/schemas.ts';
import { size } from './families/size.ts';
import { table } from './families/table.ts';
import { texts } from './families/text.ts';
import { wasi } from './families/wasi.ts';
import { assemble, guestText } from './guest-text.ts';
import type { Family, ModuleCase } from './module-case.ts';

export const FAMILIES: readonly Family[] = [
  ...[control, loops, memory, table, depth, size, malformedModules, features, imports],
  ...[wasi, floods, hostCalls, leftovers, probes, texts, schemas],
];

/** A case with the family that it is of. */
export type Attack = ModuleCase & { readonly family: string };

export const ATTACKS: readonly Attack[] = FAMILIES.flatMap(({ name: family, cases }) =>
  cases.map((one) => ({ ...one, family })),
);

/** Unique in the corpus. */
export const titleOf = ({ family, name }: Attack): string => `${family}: ${name}`;

export async function moduleOf({ module }: Pick<ModuleCase, 'module'>): Promise<Uint8Array> {
  return typeof module === 'string' ? await assemble(guestText(module)) : module();
}

/** What a case is run under. */
export const limitsOf = ({ limits }: Pick<ModuleCase, 'limits'>): AttemptLimits =>
  effectiveLimits({ ...AMPLE, ...limits });

/** So that no verdict depends on how busy the machine is, unless it is about time. */
const AMPLE = { wallMs: 120_000, cpuMs: 60_000 } satisfies LimitsRequest;

/**
 * The manifest as text: the case's own, or a plain one with what the case changes.
 * @param name of the plugin, where the case does not say it itself
 */
export function manifestOf(one: ModuleCase, name = 'attack'): string {
  if (one.manifest !== undefined) return one.manifest;
  return JSON.stringify({
    schema: 1,
    name,
    version: '1.0.0',
    operations: [
      { name: 'run', export: 'run', effect: 'read', encoding: 'text', ...one.operation },
    ],
    limits: { ...AMPLE, ...one.limits },
  });
}
