/** Admission as an upload gets it, without a Control Plane: the rules, and a try in a cell of this machine. */
import { type Admission, admit } from '@portarium/admission/admit';
import { ADMISSION_RULES } from '@portarium/admission/finding';
import { effectiveLimits } from '@portarium/contracts/limits';
import type { Manifest } from '@portarium/contracts/manifest';
import { type CellCommand, CellProcess } from '../host/cell-process.ts';
import { smokeRun } from '../host/smoke-run.ts';

/** @throws Error when no cell of this machine could try it */
export async function admitLocally(
  bytes: Uint8Array,
  manifest: Manifest,
  program: CellCommand,
): Promise<Admission> {
  const admission = await admit(bytes, manifest, effectiveLimits(manifest.limits));
  if (!admission.ok) return admission;
  const tried = await smokeRun(new CellProcess(program), admission.module);
  if (tried.end === 'passed') return admission;
  if (tried.end === 'lost') throw new Error(`The module could not be tried here: ${tried.reason}`);
  const { rule, message } = tried.finding;
  return { ok: false, findings: [{ rule, message, hint: ADMISSION_RULES[rule][1] }] };
}
