/** Carries a case out through the whole product: uploaded over HTTP, asked for as an action, read as its outcome. */

import type { RunningStack } from '@portarium/local/start-stack';
import { approveGrown, callStack, untilFinal } from '@portarium/local/testing/stack-calls';
import { manifestOf, moduleOf } from '../corpus.ts';
import type { ModuleCase } from '../module-case.ts';
import type { CaseEnd } from './in-cell.ts';

export interface ProductEnd extends CaseEnd {
  /** HTTP status of the upload. */
  readonly status: number;
  /** Of the module as it was uploaded. */
  readonly digest: string;
}

const FINAL_WITHIN_MS = 150_000;

interface Problem {
  readonly code: string;
  readonly detail?: string;
  readonly admission?: {
    readonly findings: readonly { rule: string; message: string; hint: string; at?: string }[];
  };
}

/** @returns one end for each action; one when the upload was refused */
export async function carryOutInProduct(
  stack: RunningStack,
  one: ModuleCase,
  name: string,
): Promise<readonly ProductEnd[]> {
  const module = (await moduleOf(one)) as Uint8Array<ArrayBuffer>;
  const digest = `sha256:${new Bun.CryptoHasher('sha256').update(module).digest('hex')}`;
  const form = new FormData();
  form.set('manifest', new Blob([manifestOf(one, name)], { type: 'application/json' }));
  form.set('module', new Blob([module], { type: 'application/wasm' }), 'plugin.wasm');
  const answer = await callStack(stack, 'author', 'POST', '/plugins', { body: form });
  const about = { status: answer.status, digest };
  if (!answer.ok) return [{ ...about, ...refusedEnd((await answer.json()) as Problem) }];
  const plugin = (await answer.json()) as { name: string; version: string };
  await approveGrown(stack, plugin);
  const ends: ProductEnd[] = [];
  for (let i = 0; i < (one.attempts ?? 1); i++) {
    ends.push({ ...about, ...(await actionOf(stack, plugin.name, one)) });
  }
  return ends;
}

function refusedEnd({ code, detail = '', admission }: Problem): CaseEnd {
  if (code !== 'plugin.not-admitted') return { stage: 'upload', codes: [code], texts: [detail] };
  const findings = admission?.findings ?? [];
  return {
    stage: 'admission',
    codes: findings.map(({ rule }) => rule),
    texts: findings.flatMap(({ message, hint, at = '' }) => [message, hint, at]),
  };
}

async function actionOf(stack: RunningStack, plugin: string, one: ModuleCase): Promise<CaseEnd> {
  const input = one.operation?.encoding === 'json' ? {} : (one.input ?? '');
  const asked = await callStack(stack, 'operator', 'POST', '/actions', {
    headers: { 'content-type': 'application/json', prefer: 'wait=30' },
    body: JSON.stringify({ plugin, operation: 'run', input }),
  });
  if (!asked.ok) {
    const { code, detail = '' } = (await asked.json()) as Problem;
    return { stage: 'run', codes: [code], texts: [detail] };
  }
  const { id } = (await asked.json()) as { id: string };
  const { output, error } = await untilFinal(stack, id, FINAL_WITHIN_MS);
  return {
    stage: 'run',
    codes: error ? [error.code] : [],
    ...(error ? {} : { output: outputText(one, output) }),
    texts: error ? [error.message] : [],
  };
}

/** The output's own bytes as text, which the API shows by the operation's encoding. */
function outputText({ operation }: ModuleCase, output: unknown): string {
  switch (operation?.encoding) {
    case 'json':
      return JSON.stringify(output);
    case 'bytes':
      return Buffer.from(String(output), 'base64').toString();
    default:
      return String(output);
  }
}
