/** Calls that end-to-end tests make to a running stack, as any caller would: over HTTP. */

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPlugin } from '@portarium/sdk/build';
import { pointAt, type Target } from '@portarium/sdk/derive-manifest';
import type { PluginManifest } from '@portarium/sdk/plugin-manifest';
import type { RunningStack } from '../start-stack.ts';

export interface ActionView {
  readonly id: string;
  readonly state: string;
  readonly output?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
  readonly attempts: number;
}

export async function callStack(
  stack: RunningStack,
  role: keyof RunningStack['keys'],
  method: string,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set('authorization', `Bearer ${stack.keys[role]}`);
  return fetch(`${stack.url}/v1/workspaces/${stack.workspace}${path}`, {
    ...init,
    method,
    headers,
  });
}

/** How long a part may be away before a call counts as refused, in milliseconds. */
const AWAY_MS = 30_000;

/** Calls again while a part is away (503): a pool finds its killed server only when it asks it. */
export async function untilAvailable(call: () => Promise<Response>): Promise<Response> {
  const deadline = performance.now() + AWAY_MS;
  let response = await call();
  while (response.status === 503 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    response = await call();
  }
  return response;
}

/**
 * Builds a plugin folder (relative to the repository), uploads it, has it approved where it grew, and
 * grants its own rules.
 */
export async function pushPlugin(
  stack: RunningStack,
  folder: string,
  target?: Target,
  change: (manifest: PluginManifest) => PluginManifest = (manifest) => manifest,
): Promise<string> {
  const directory = fileURLToPath(new URL(`../../../../${folder}`, import.meta.url));
  const built = await buildPlugin(directory, join(stack.dataDir, 'built', folder));
  const manifest = change(target === undefined ? built.manifest : pointAt(built.manifest, target));
  const form = new FormData();
  form.set('manifest', new Blob([JSON.stringify(manifest)], { type: 'application/json' }));
  form.set(
    'module',
    new Blob([built.module as Uint8Array<ArrayBuffer>], { type: 'application/wasm' }),
    'plugin.wasm',
  );
  const pushed = await callStack(stack, 'author', 'POST', '/plugins', { body: form });
  if (!pushed.ok) throw new Error(`${folder} was not admitted: ${await pushed.text()}`);
  await approveGrown(stack, (await pushed.json()) as { name: string; version: string });
  // Versions for two counterparts come in no order.
  await callOrFail(stack, `/plugins/${manifest.name}/current`, {
    ...{ version: manifest.version, rationale: 'a test wants it' },
  });
  if (target !== undefined) {
    await callOrFail(stack, `/plugins/${manifest.name}/egress`, {
      ...{ rules: manifest.egress ?? [], networks: ['loopback'] },
    });
  }
  return manifest.name;
}

async function callOrFail(stack: RunningStack, path: string, json: object): Promise<void> {
  const answer = await callStack(stack, 'operator', 'PUT', path, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(json),
  });
  if (!answer.ok) throw new Error(`PUT ${path}: ${await answer.text()}`);
}

/** As another person than who uploaded it; a version that had not grown needs nobody. */
export async function approveGrown(
  stack: RunningStack,
  { name, version }: { readonly name: string; readonly version: string },
): Promise<void> {
  const path = `/plugins/${name}/versions/${version}`;
  const shown = await callStack(stack, 'approver', 'GET', path);
  const found = (await shown.json()) as { state: string; approval?: { digest: string } };
  if (found.state !== 'pending-approval') return;
  const digest = found.approval?.digest;
  const decided = await callStack(stack, 'approver', 'POST', `${path}/decisions`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ decision: 'approve', rationale: 'a test wants it', digest }),
  });
  if (!decided.ok) throw new Error(`${name}@${version} was not approved: ${await decided.text()}`);
}

export async function requestAction(
  stack: RunningStack,
  plugin: string,
  operation: string,
  input: unknown,
  waitSeconds = 0,
): Promise<ActionView> {
  const response = await callStack(stack, 'operator', 'POST', '/actions', {
    headers: {
      'content-type': 'application/json',
      ...(waitSeconds > 0 ? { prefer: `wait=${waitSeconds}` } : {}),
    },
    body: JSON.stringify({ plugin, operation, input }),
  });
  if (!response.ok) throw new Error(`the action was refused: ${await response.text()}`);
  return (await response.json()) as ActionView;
}

/** Reads the action until it is final; the Control Plane may be away meanwhile. */
export async function untilFinal(
  stack: RunningStack,
  id: string,
  timeoutMs: number,
): Promise<ActionView> {
  const deadline = Date.now() + timeoutMs;
  let last = 'nothing was read';
  while (Date.now() < deadline) {
    try {
      const response = await callStack(stack, 'operator', 'GET', `/actions/${id}`);
      last = await response.text();
      const action = JSON.parse(last) as ActionView & { finishedAt?: string };
      if (response.ok && action.finishedAt !== undefined) return action;
    } catch (error) {
      last = String(error);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`action ${id} is not final after ${timeoutMs} ms; last: ${last}`);
}

/** The evidence bundle of the workspace, and the key to pin. */
export async function exportBundle(
  stack: RunningStack,
  action?: string,
): Promise<{ bundle: Uint8Array; pin: string }> {
  const response = await callStack(
    stack,
    'auditor',
    'GET',
    `/evidence/export${action === undefined ? '' : `?action=${action}`}`,
  );
  if (!response.ok) throw new Error(`no export: ${await response.text()}`);
  const keys = await (await callStack(stack, 'auditor', 'GET', '/evidence/vkeys')).text();
  return { bundle: new Uint8Array(await response.arrayBuffer()), pin: keys.split('\n')[0] ?? '' };
}
