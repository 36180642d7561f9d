/** A plugin for tests of writes: what it may call stands in its rules; nobody runs its module. */
import type { EgressRule } from '@portarium/contracts/egress-rule';
import type { TestInstance } from './test-instance.ts';
import { ECHO_MODULE } from './upload-form.ts';

export const LEDGER_HOST = 'ledger.example.com';
export const SECRET = 'canary-secret-of-the-ledger-0123456789';

const rule = (id: string, change: Partial<EgressRule>): EgressRule => ({
  id,
  methods: ['POST'],
  scheme: 'https',
  host: LEDGER_HOST,
  port: 443,
  path: `/${id}`,
  contentTypes: ['application/json'],
  ...change,
});

const KEYED = { idempotency: { header: 'Idempotency-Key', retentionHours: 1 } };

export const LEDGER_RULES: readonly EgressRule[] = [
  rule('look', { methods: ['GET'] }),
  rule('keyed', { ...KEYED, credential: 'ledger' }),
  rule('unkeyed', {}),
  rule('elsewhere', { host: 'other.example.com', credential: 'ledger' }),
];

const operation = (name: string, effect: string) => ({ name, export: 'echo', effect });

/** What the writes of a dry run are answered with. */
const ANSWERS = [{ method: 'POST', path: '/unkeyed', status: 201, body: { ok: true } }];

/** Uploads it as `author`, has it approved where it grew, and grants its own rules as `operator`. */
export async function pushLedger(
  instance: TestInstance,
  version = '1.0.0',
  rules: readonly EgressRule[] = LEDGER_RULES,
  limits: Readonly<Record<string, number>> = {},
): Promise<void> {
  const credentials = [{ slot: 'ledger', kind: 'bearer', host: LEDGER_HOST }];
  await pushPlugin(instance, { name: 'ledger', version, egress: rules, limits, credentials });
}

/** A plugin with the ledger's operations, with its own rules granted. */
export async function pushPlugin(
  instance: TestInstance,
  manifest: {
    readonly name: string;
    readonly egress: readonly EgressRule[];
    readonly [field: string]: unknown;
  },
): Promise<void> {
  const form = new FormData();
  const whole = {
    schema: 1,
    version: '1.0.0',
    operations: [
      {
        ...operation('write', 'write'),
        examples: [{ input: { id: 'one' }, output: {}, answers: ANSWERS }],
      },
      operation('look', 'read'),
      operation('wipe', 'destructive'),
    ],
    ...manifest,
  };
  form.set('manifest', new Blob([JSON.stringify(whole)], { type: 'application/json' }));
  const module = new Blob([ECHO_MODULE as Uint8Array<ArrayBuffer>], { type: 'application/wasm' });
  form.set('module', module, 'module.wasm');
  const pushed = await instance.call('POST', '/v1/workspaces/local/plugins', {
    role: 'author',
    body: form,
  });
  if (!pushed.ok) throw new Error(`the plugin was not admitted: ${await pushed.text()}`);
  await approveGrown(instance, manifest.name, whole.version);
  await grant(instance, manifest.name, manifest.egress);
}

export function grantLedger(instance: TestInstance, rules: readonly EgressRule[]): Promise<void> {
  return grant(instance, 'ledger', rules);
}

async function approveGrown(
  instance: TestInstance,
  plugin: string,
  version: string,
): Promise<void> {
  const path = `/v1/workspaces/local/plugins/${plugin}/versions/${version}`;
  const shown = await instance.call('GET', path, { role: 'approver' });
  const found = (await shown.json()) as { state: string; approval?: { digest: string } };
  if (found.state !== 'pending-approval') return;
  const json = { decision: 'approve', rationale: 'a test', digest: found.approval?.digest };
  const decided = await instance.call('POST', `${path}/decisions`, { role: 'approver', json });
  if (!decided.ok) throw new Error(`the plugin was not approved: ${await decided.text()}`);
}

async function grant(
  instance: TestInstance,
  plugin: string,
  rules: readonly EgressRule[],
): Promise<void> {
  const granted = await instance.call('PUT', `/v1/workspaces/local/plugins/${plugin}/egress`, {
    role: 'operator',
    json: { rules, networks: [] },
  });
  if (!granted.ok) throw new Error(`the plugin was not granted: ${await granted.text()}`);
}

/** Stores the credential `ledger`. @returns its id */
export async function storeSecret(instance: TestInstance, value = SECRET): Promise<string> {
  const made = await instance.call('POST', '/v1/workspaces/local/credentials', {
    role: 'admin',
    json: { name: 'ledger', host: LEDGER_HOST, kind: 'bearer', value },
  });
  if (made.status !== 201) throw new Error(`no credential was made: ${await made.text()}`);
  return ((await made.json()) as { id: string }).id;
}
