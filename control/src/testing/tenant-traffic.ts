/** Generated requests of workspaces over the HTTP API, each judged by the {@link Boundary}. */
import { readTar } from '@portarium/contracts/tar';
import { USAGE } from './as-host.ts';
import type { Boundary, Tenant } from './tenant.ts';
import type { TestInstance } from './test-instance.ts';
import { uploadForm } from './upload-form.ts';

interface Asked {
  readonly status: number;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers of every route; what is wrong in them is what is looked for
  readonly body: any;
}

export interface Traffic {
  readonly instance: TestInstance;
  readonly boundary: Boundary;
  readonly random: () => number;
  /** Everybody whose ids may be asked for. */
  readonly tenants: readonly Tenant[];
}

interface Turn extends Traffic {
  readonly tenant: Tenant;
  /** Differs from request to request. */
  readonly count: number;
}

/** One request and what follows from it. @throws Error when an answer is none that it may have */
type Request = (turn: Turn) => Promise<void>;

async function ask(
  { instance, boundary, tenant }: Turn,
  kind: string,
  [method, path]: readonly [string, string],
  more: {
    readonly json?: unknown;
    readonly body?: FormData;
    readonly key?: string;
    readonly headers?: Record<string, string>;
    readonly right?: readonly number[];
    readonly named?: readonly string[];
  } = {},
): Promise<Asked> {
  const { right = [200], named = [], key = tenant.key, ...rest } = more;
  const address = path.startsWith('/v1/') ? path : `/v1/workspaces/${tenant.id}${path}`;
  const response = await instance.call(method, address, { key, ...rest });
  const text = await response.text();
  boundary.judge(tenant, kind, text, named);
  if (!right.includes(response.status)) {
    throw new Error(`${tenant.id}: ${method} ${address}: ${response.status} ${text.slice(0, 500)}`);
  }
  const json = response.headers.get('content-type')?.includes('json') && text !== '';
  return { status: response.status, text, body: json ? JSON.parse(text) : {} };
}

function pick<T>(list: readonly T[], random: () => number): T | undefined {
  return list[Math.floor(random() * list.length)];
}

const requestAction: Request = async (turn) => {
  const { tenant, count } = turn;
  const json = {
    ...{ plugin: 'echo', operation: 'echo', input: { text: `${tenant.mark} ${count}` } },
    labels: { whose: tenant.mark },
  };
  // Keys that others use too: they are a workspace's and a caller's own.
  const headers = { 'idempotency-key': `shared-${count % 40}` };
  const right = [200, 202, 422];
  const { status, body } = await ask(turn, 'action', ['POST', '/actions'], {
    json,
    headers,
    right,
  });
  if (status !== 422) tenant.known.actions.push(body.id);
};

const runAction: Request = async (turn) => {
  const { instance, boundary, tenant, count } = turn;
  const input = { text: `${tenant.mark} runs ${count}` };
  const json = { plugin: 'echo', operation: 'echo', input, labels: { whose: tenant.mark } };
  const { body } = await ask(turn, 'action', ['POST', '/actions'], { json, right: [202] });
  const taken = await instance.call('POST', '/internal/v1/claims', {
    key: instance.hostKey,
    json: { workspace: tenant.id, action: body.id, isolation: 'process', engine: 'test' },
  });
  const text = await taken.text();
  boundary.judge(tenant, 'claim', text);
  const { order } = JSON.parse(text);
  boundary.judge(tenant, 'claimed input', Buffer.from(order.input, 'base64').toString());
  const output = Buffer.from(JSON.stringify(input)).toString('base64');
  const done = await instance.call('POST', `/internal/v1/attempts/${order.attempt}/outcome`, {
    key: instance.hostKey,
    json: { verdict: 'succeeded', output, usage: USAGE, calls: [] },
    headers: { 'portarium-ticket': order.ticket },
  });
  if (done.status !== 200) throw new Error(`${tenant.id}: outcome: ${await done.text()}`);
  const shown = await ask(turn, 'action with its output', ['GET', `/actions/${body.id}`]);
  if (!JSON.stringify(shown.body.output).includes(tenant.mark)) {
    throw new Error(`${tenant.id} does not see its own output: ${shown.text}`);
  }
  tenant.known.actions.push(body.id);
};

const readAction: Request = async (turn) => {
  const id = pick(turn.tenant.known.actions, turn.random);
  if (id === undefined) return requestAction(turn);
  const paths = ['', '/attempts', '/journal'];
  await ask(turn, 'action', ['GET', `/actions/${id}${pick(paths, turn.random)}`]);
};

const listActions: Request = async (turn) => {
  await ask(turn, 'actions', ['GET', '/actions?limit=50']);
};

const writeKey: Request = async (turn) => {
  const { tenant, count, random } = turn;
  const old = random() < 0.4 ? tenant.known.keys.pop() : undefined;
  if (old !== undefined) {
    await ask(turn, 'key', ['DELETE', `/keys/${old}`], { right: [204] });
    return;
  }
  const json = { name: `${tenant.mark} ${count}`, owner: tenant.mark, role: 'auditor' };
  const { body } = await ask(turn, 'key', ['POST', '/keys'], { json, right: [201] });
  tenant.known.keys.push(body.id);
  // The new key sees what the workspace has.
  await ask(turn, 'evidence', ['GET', '/evidence?limit=5'], { key: body.key });
};

const listKeys: Request = async (turn) => {
  await ask(turn, 'keys', ['GET', '/keys']);
};

const readEvidence: Request = async (turn) => {
  const after = Math.floor(turn.random() * 30) - 1;
  const path = after < 0 ? '/evidence?limit=100' : `/evidence?limit=100&after=${after}`;
  const { body } = await ask(turn, 'evidence', ['GET', path]);
  for (const { bytes } of body.items) {
    turn.boundary.judge(turn.tenant, 'entry', Buffer.from(bytes, 'base64').toString());
  }
};

const readLog: Request = async (turn) => {
  const paths = ['checkpoint', 'verification', 'keys'].map((name) =>
    name === 'checkpoint' ? '/evidence/log/checkpoint' : `/evidence/${name}`,
  );
  const more = ['/usage', '/retention', '/regulation', '/reconciliation', '/caller', ''];
  const path = pick([...paths, ...more], turn.random) ?? '';
  await ask(turn, 'log', ['GET', path], { right: [200, 404] });
};

const exportLog: Request = async (turn) => {
  const { instance, boundary, tenant } = turn;
  const path = `/v1/workspaces/${tenant.id}/evidence/export`;
  const response = await instance.call('GET', path, { key: tenant.key });
  if (response.status !== 200) throw new Error(`${tenant.id}: export: ${await response.text()}`);
  const bundle = new Uint8Array(await response.arrayBuffer());
  const read = readTar(bundle);
  if (!read.ok) throw new Error(`${tenant.id}: the bundle is no archive`);
  for (const [name, bytes] of read.files) {
    boundary.judge(tenant, 'export', `${name}\n${Buffer.from(bytes).toString()}`);
  }
};

const readEvents: Request = async (turn) => {
  const { instance, boundary, tenant } = turn;
  const response = await instance.call('GET', `/v1/workspaces/${tenant.id}/events`, {
    key: tenant.key,
    headers: { 'last-event-id': '-1' },
  });
  const reader = response.body?.getReader();
  if (!reader) throw new Error(`${tenant.id} has no events`);
  let text = '';
  for (let i = 0; i < 20; i++) {
    const { value, done } = await reader.read();
    if (done) break;
    text += Buffer.from(value).toString();
    if (text.includes(`"tenantid":"${tenant.id}"`)) break;
  }
  await reader.cancel();
  boundary.judge(tenant, 'events', text);
  if (!text.includes(`"tenantid":"${tenant.id}"`)) {
    throw new Error(`${tenant.id} gets no events of its own: ${text.slice(0, 500)}`);
  }
};

const writeCredential: Request = async (turn) => {
  const { tenant, count, random } = turn;
  const id = random() < 0.5 ? tenant.known.credentials.pop() : undefined;
  const value = `secret-of-${tenant.mark}-${count}`;
  if (id !== undefined) {
    const path = `/credentials/${id}`;
    await ask(turn, 'credential', ['POST', `${path}/rotate`], { json: { value } });
    if (random() < 0.5) await ask(turn, 'credential', ['DELETE', path], { right: [204] });
    else tenant.known.credentials.push(id);
    return;
  }
  const json = { name: `${tenant.mark}-${count}`, host: `${tenant.mark}.example.com`, value };
  const { body } = await ask(turn, 'credential', ['POST', '/credentials'], {
    ...{ json: { ...json, kind: 'bearer' }, right: [201] },
  });
  tenant.known.credentials.push(body.id);
};

const listCredentials: Request = async (turn) => {
  await ask(turn, 'credentials', ['GET', '/credentials']);
};

/** What is a number only: each workspace has its own. */
const settings: Request = async (turn) => {
  const { tenant, random } = turn;
  const own = 60_000 + tenant.number;
  const all = [
    ['/limits', { wallMs: own }, 'wallMs'],
    [
      '/approval-rules',
      { quorum: 1, roles: ['approver'], decideWithinMs: own * 60, executeWithinMs: own },
      'executeWithinMs',
    ],
    [
      '/plugin-rules',
      { signature: 'optional', quarantineAfter: 5, crashWindowMs: own },
      'crashWindowMs',
    ],
  ] as const;
  const [path, json, field] = pick(all, random) ?? all[0];
  if (random() < 0.5) await ask(turn, 'settings', ['PUT', path], { json });
  const { body, text } = await ask(turn, 'settings', ['GET', path]);
  const value = body[field];
  const foreign = turn.tenants.some((other) => other !== tenant && value === 60_000 + other.number);
  if (foreign) turn.boundary.found.push(`${tenant.id} has the ${path} of another: ${text}`);
};

const askForApproval: Request = async (turn) => {
  const { tenant, count } = turn;
  const json = {
    ...{ plugin: 'echo', operation: 'change', input: { text: `${tenant.mark} ${count}` } },
    labels: { whose: tenant.mark },
  };
  const { body } = await ask(turn, 'action', ['POST', '/actions'], { json, right: [202] });
  const { id: approval, digest } = body.approval;
  tenant.known.waiting.push({ id: body.id, approval, digest });
  tenant.known.approvals.push(approval);
};

const decide: Request = async (turn) => {
  const { tenant, count, random } = turn;
  const next = tenant.known.waiting.shift();
  if (!next) return askForApproval(turn);
  const json = {
    decision: random() < 0.5 ? 'approve' : 'deny',
    rationale: `${tenant.mark} ${count}`,
    digest: next.digest,
  };
  await ask(turn, 'approval', ['GET', `/approvals/${next.approval}`]);
  await ask(turn, 'decision', ['POST', `/approvals/${next.approval}/decisions`], {
    ...{ json, key: tenant.approver },
  });
  tenant.known.actions.push(next.id);
};

const listApprovals: Request = async (turn) => {
  await ask(turn, 'approvals', ['GET', '/approvals?limit=50']);
};

const writeHold: Request = async (turn) => {
  const { tenant, count, random } = turn;
  const id = random() < 0.5 ? tenant.known.holds.pop() : undefined;
  const reason = `${tenant.mark} ${count}`;
  if (id !== undefined) {
    await ask(turn, 'hold', ['POST', `/holds/${id}/lift`], { json: { reason } });
    return;
  }
  const json = { scope: { kind: 'person', person: `nobody of ${tenant.mark}` }, reason };
  const { body } = await ask(turn, 'hold', ['POST', '/holds'], { json, right: [200, 201] });
  tenant.known.holds.push(body.id);
  await ask(turn, 'holds', ['GET', '/holds']);
};

const readPlugins: Request = async (turn) => {
  const paths = ['/plugins', '/plugins/echo', '/plugins/echo/versions', '/publishers'];
  await ask(turn, 'plugins', ['GET', pick(paths, turn.random) ?? '/plugins']);
};

const writePlugin: Request = async (turn) => {
  const { tenant, count } = turn;
  const body = uploadForm({ name: `${tenant.mark}-${count}` });
  await ask(turn, 'plugin', ['POST', '/plugins'], { body, right: [201, 429] });
};

const grantEgress: Request = async (turn) => {
  const { tenant } = turn;
  const rule = { id: 'look', methods: ['GET'], scheme: 'https', port: 443, path: '/' };
  const json = { rules: [{ ...rule, host: `${tenant.mark}.example.com` }], networks: [] };
  // The grant of a plugin that nothing waits for: a change of it voids approvals.
  await ask(turn, 'egress', ['PUT', `/plugins/${tenant.mark}-own/egress`], {
    ...{ json, right: [200, 404] },
  });
  await ask(turn, 'egress', ['GET', '/plugins/echo/egress']);
};

/** Asks for what is another's, by its id in one's own workspace and by its address. */
const trespass: Request = async (turn) => {
  const { tenant, tenants, random, instance, boundary } = turn;
  const other = pick(
    tenants.filter((one) => one !== tenant),
    random,
  );
  if (!other) return;
  const { known } = other;
  const all = [
    ['GET', 'actions', pick(known.actions, random), ''],
    ['POST', 'actions', pick(known.actions, random), '/cancel'],
    ['GET', 'approvals', pick(known.approvals, random), ''],
    ['GET', 'credentials', pick(known.credentials, random), ''],
    ['DELETE', 'credentials', pick(known.credentials, random), ''],
    ['DELETE', 'keys', pick(known.keys, random), ''],
    ['POST', 'holds', pick(known.holds, random), '/lift'],
    ['GET', 'evidence?action=', pick(known.actions, random), ''],
  ] as const;
  const [method, kind, id, tail] = pick(all, random) ?? all[0];
  if (id === undefined) return;
  const path = kind.endsWith('=') ? `/${kind}${id}` : `/${kind}/${id}${tail}`;
  const json = method === 'POST' ? { json: tail === '/lift' ? { reason: tenant.mark } : {} } : {};
  const mine = await ask(turn, 'trespass', [method, path], {
    ...{ ...json, named: [id], right: kind.endsWith('=') ? [200] : [404] },
  });
  if (kind.endsWith('=') && mine.body.items.length > 0) {
    boundary.found.push(`${tenant.id} got evidence of ${other.id}: ${mine.text}`);
  }
  await ask(turn, 'trespass', [method, `/v1/workspaces/${other.id}${path}`], {
    ...{ ...json, named: [id, other.id], right: [403] },
  });
  const action = pick(known.actions, random);
  if (action === undefined) return;
  const taken = await instance.call('POST', '/internal/v1/claims', {
    key: instance.hostKey,
    json: { workspace: tenant.id, action, isolation: 'process', engine: 'test' },
  });
  const text = await taken.text();
  boundary.judge(tenant, 'trespass', text, [action]);
  if (text.includes('"run"')) boundary.found.push(`${tenant.id} runs ${action} of ${other.id}`);
};

/** How often each comes, of a hundred or so. */
const REQUESTS: readonly (readonly [number, Request])[] = [
  [8, requestAction],
  [4, runAction],
  [12, readAction],
  [7, listActions],
  [6, writeKey],
  [5, listKeys],
  [8, readEvidence],
  [5, readLog],
  [1, exportLog],
  [1, readEvents],
  [6, writeCredential],
  [5, listCredentials],
  [6, settings],
  [3, askForApproval],
  [3, decide],
  [4, listApprovals],
  [4, writeHold],
  [4, readPlugins],
  [0.5, writePlugin],
  [2, grantEgress],
  [6, trespass],
];
const TOTAL = REQUESTS.reduce((sum, [weight]) => sum + weight, 0);

function draw(random: () => number): Request {
  let at = random() * TOTAL;
  for (const [weight, request] of REQUESTS) {
    at -= weight;
    if (at < 0) return request;
  }
  return listActions;
}

/** `count` requests of the tenants, `atOnce` under way. @returns what failed */
export async function send(
  traffic: Traffic,
  senders: readonly Tenant[],
  { count, atOnce }: { readonly count: number; readonly atOnce: number },
): Promise<readonly string[]> {
  const failed: string[] = [];
  let sent = 0;
  const worker = async () => {
    while (sent < count) {
      sent += 1;
      const turn = { ...traffic, count: sent };
      const tenant = pick(senders, traffic.random);
      if (!tenant) throw new Error('nobody sends');
      await draw(traffic.random)({ ...turn, tenant }).catch((error: Error) =>
        failed.push(error.message),
      );
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return failed;
}

/** Each kind of request once for each tenant. @returns what failed */
export async function sendEach(
  traffic: Traffic,
  senders: readonly Tenant[],
): Promise<readonly string[]> {
  const failed: string[] = [];
  for (const [at, [, request]] of REQUESTS.entries()) {
    await Promise.all(
      senders.map((tenant) =>
        request({ ...traffic, tenant, count: 1_000_000 + at }).catch((error: Error) =>
          failed.push(error.message),
        ),
      ),
    );
  }
  return failed;
}
