/** What tests of approvals and writes do over HTTP: ask, decide, claim, intend, report. */
import type { Digest } from '@portarium/contracts/digest';
import { digestOf, digestOfJson } from '@portarium/contracts/digest';
import type { EgressCall, IntentResponse, WorkOrder } from '@portarium/contracts/internal-api';
import { LEDGER_HOST } from './ledger-plugin.ts';
import type { TestInstance } from './test-instance.ts';

const ROOT = '/v1/workspaces/local';

export interface AskedAction {
  readonly id: string;
  readonly state: string;
  readonly approval?: { readonly id: string; readonly state: string; readonly digest: string };
  readonly error?: { readonly code: string; readonly message: string };
}

export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly body: T;
}

export async function send<T = Record<string, unknown>>(
  instance: TestInstance,
  role: string,
  method: string,
  path: string,
  json?: unknown,
): Promise<Answer<T>> {
  const response = await instance.call(method, `${ROOT}${path}`, {
    ...(role.startsWith('ptk_') ? { key: role } : { role }),
    ...(json === undefined ? {} : { json }),
  });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as T };
}

/** Asks for a write as the agent. */
export async function ask(
  instance: TestInstance,
  input: unknown = { id: 'one' },
  more: Record<string, unknown> = {},
): Promise<AskedAction> {
  const body = { plugin: 'ledger', operation: 'write', input, ...more };
  const answer = await send<AskedAction>(instance, 'agent', 'POST', '/actions', body);
  if (answer.status >= 300) throw new Error(`not taken: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

export async function look(instance: TestInstance, id: string): Promise<AskedAction> {
  return (await send<AskedAction>(instance, 'operator', 'GET', `/actions/${id}`)).body;
}

export async function decide(
  instance: TestInstance,
  action: AskedAction,
  change: {
    role?: string;
    decision?: string;
    digest?: string;
    rationale?: string;
    egress?: readonly unknown[];
  } = {},
): Promise<Answer> {
  const { role = 'approver', decision = 'approve', rationale = 'looked at it' } = change;
  const digest = change.digest ?? action.approval?.digest;
  const path = `/approvals/${action.approval?.id}/decisions`;
  const egress = change.egress === undefined ? {} : { egress: change.egress };
  return send(instance, role, 'POST', path, { decision, rationale, digest, ...egress });
}

export interface Call {
  readonly number?: number;
  readonly rule: string;
  readonly method?: string;
  readonly url?: string;
  readonly body?: string;
  /** Beside the content type; names in lower case, behind it in the alphabet. */
  readonly headers?: readonly [string, string][];
}

async function requestOf({ rule, method = 'POST', url, body = '{}', headers: more = [] }: Call) {
  const target = url ?? `https://${LEDGER_HOST}/${rule}`;
  const plain = method === 'GET';
  const headers: [string, string][] = plain
    ? [...more]
    : [['content-type', 'application/json'], ...more];
  const bytes = new TextEncoder().encode(plain ? '' : body);
  const bodyDigest = plain ? null : await digestOf(bytes);
  const requestDigest = await digestOfJson({ method, url: target, headers, bodyDigest, rule });
  const bodies =
    bodyDigest === null
      ? []
      : [{ digest: bodyDigest, bytes: Buffer.from(bytes).toString('base64') }];
  const request = { method, url: target, headers, bodyDigest, bodyBytes: bytes.length };
  return { request: { ...request, requestDigest }, bodies };
}

/** Asks for leave to send one call, as the host of `order`. */
export async function intend(
  instance: TestInstance,
  order: WorkOrder,
  call: Call,
  change: Record<string, unknown> = {},
): Promise<Answer<IntentResponse & { code?: string }>> {
  const { request, bodies } = await requestOf(call);
  const given = { calls: [], ...change };
  const all = [...bodies, ...((given as { bodies?: typeof bodies }).bodies ?? [])];
  const json = {
    call: call.number ?? 0,
    ...request,
    address: '203.0.113.7',
    ...given,
    bodies: all,
  };
  const path = `/internal/v1/attempts/${order.attempt}/intents`;
  const response = await instance.call('POST', path, {
    key: instance.hostKey,
    json,
    headers: { 'portarium-ticket': order.ticket },
  });
  return { status: response.status, body: (await response.json()) as never };
}

/** The record that answers an intended call, and the body behind it. */
export async function answered(
  call: Call,
  text = '{"ok":true}',
  change: Partial<EgressCall> = {},
): Promise<{ calls: EgressCall[]; bodies: { digest: Digest; bytes: string }[] }> {
  const { request } = await requestOf(call);
  const { method, url, requestDigest, bodyDigest, bodyBytes } = request;
  const { hostname, pathname } = new URL(url);
  const bytes = new TextEncoder().encode(text);
  const digest = await digestOf(bytes);
  const record: EgressCall = {
    call: call.number ?? 0,
    method,
    scheme: 'https',
    host: hostname,
    port: 443,
    path: pathname,
    verdict: 'allowed',
    rule: call.rule,
    address: '203.0.113.7',
    status: 200,
    requestDigest,
    ...(bodyDigest === null ? {} : { requestBodyDigest: bodyDigest }),
    responseDigest: digest,
    responseHeaders: { 'content-type': 'application/json' },
    bytesOut: bodyBytes,
    bytesIn: bytes.length,
    ms: 3,
    ...change,
  };
  return { calls: [record], bodies: [{ digest, bytes: Buffer.from(bytes).toString('base64') }] };
}

export interface StoryEntry {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly artifacts: readonly { readonly mediaType: string; readonly digest: string }[];
}

/** The action's evidence in order. */
export async function story(instance: TestInstance, id: string): Promise<readonly StoryEntry[]> {
  const path = `/evidence?action=${id}&limit=200`;
  const { body } = await send<{ items: { entry: StoryEntry }[] }>(instance, 'auditor', 'GET', path);
  return body.items.map(({ entry }) => entry);
}
