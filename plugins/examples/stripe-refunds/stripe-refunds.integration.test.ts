import { afterAll, beforeAll, expect, test } from 'bun:test';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPlugin } from '@extism/extism';
import { validateJson } from '@portarium/contracts/json-schema';
import { ManifestSchema } from '@portarium/contracts/manifest';
import { type BuiltPlugin, buildPlugin } from '@portarium/sdk/build';
import { pointAt } from '@portarium/sdk/derive-manifest';
import type { PluginManifest } from '@portarium/sdk/plugin-manifest';
import * as v from 'valibot';
import { type StripeMock, startStripeMock } from '../../../cli/src/demo/stripe-mock.ts';

/** stripe-mock may have to be built with Go, once on a machine. */
const STRIPE_MOCK_TIMEOUT_MS = 5 * 60_000;
/** Any key of this form passes at stripe-mock. */
const MOCK_KEY = 'sk_test_123';

let scratch = '';
let plugin: BuiltPlugin;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'portarium-stripe-'));
  plugin = await buildPlugin(import.meta.dir, scratch);
}, 60_000);

let mock: StripeMock | undefined;
afterAll(async () => {
  await mock?.stop();
  await rm(scratch, { recursive: true, force: true });
});

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Runs one operation in a fresh instance; HTTP goes to `answer` in the broker's place. */
async function run(
  name: string,
  input: unknown,
  answer: Fetch,
  manifest: PluginManifest = plugin.manifest,
): Promise<unknown> {
  const config = { baseUrl: manifest.config?.baseUrl?.default ?? '' };
  const fetcher = (url: unknown, init: unknown) => answer(String(url), (init ?? {}) as RequestInit);
  const guest = await createPlugin(
    { wasm: [{ data: plugin.module }] },
    { config, allowedHosts: ['*'], fetch: fetcher as typeof fetch },
  );
  try {
    return JSON.parse((await guest.call(name, JSON.stringify(input)))?.text() ?? '');
  } finally {
    await guest.close();
  }
}

/** Sets what the broker sets of itself. */
function asBroker(key: string, idempotencyKey?: string): Fetch {
  return (url, init) => {
    const headers = new Headers(init.headers as HeadersInit);
    headers.set('authorization', `Bearer ${key}`);
    if (idempotencyKey !== undefined) headers.set('idempotency-key', idempotencyKey);
    return fetch(url, { ...init, headers });
  };
}

interface Sent {
  readonly url: string;
  readonly method: string | undefined;
  readonly headers: unknown;
  readonly body: string;
}

/** Remembers the one call, and answers it. */
function recording(answer: Response): { sent: Sent[]; fetcher: Fetch } {
  const sent: Sent[] = [];
  return {
    sent,
    fetcher: async (url, { method, headers, body }) => {
      const text = body ? await new Response(body).text() : '';
      sent.push({ url, method, headers, body: text });
      return answer;
    },
  };
}

const REFUND = {
  id: 're_1',
  amount: 40,
  currency: 'eur',
  status: 'pending',
  charge: { id: 'ch_1', object: 'charge' },
  payment_intent: 'pi_1',
  reason: 'duplicate',
  created: 1_700_000_000,
};

test('listRefunds sends exactly the call that its rule names, and no key', async () => {
  const { sent, fetcher } = recording(Response.json({ data: [], has_more: true }));
  const input = { limit: 3, charge: 'ch_1&x=2', startingAfter: 're_9' };
  expect(await run('list_refunds', input, fetcher)).toEqual({ refunds: [], hasMore: true });
  expect(sent).toEqual([
    {
      url: 'https://api.stripe.com/v1/refunds?limit=3&charge=ch_1%26x%3D2&starting_after=re_9',
      method: 'GET',
      headers: { accept: 'application/json' },
      body: '',
    },
  ]);
});

test('createRefund sends one form, encoded, in one order, and neither key', async () => {
  const { sent, fetcher } = recording(Response.json(REFUND));
  const input = { reason: 'duplicate', amount: 40, charge: 'ch_1&amount=9 9' };
  expect(await run('create_refund', input, fetcher)).toEqual({
    id: 're_1',
    amount: 40,
    currency: 'eur',
    status: 'pending',
    charge: 'ch_1',
    paymentIntent: 'pi_1',
    reason: 'duplicate',
    created: 1_700_000_000,
  });
  expect(sent).toEqual([
    {
      url: 'https://api.stripe.com/v1/refunds',
      method: 'POST',
      headers: {
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: 'charge=ch_1%26amount%3D9%209&amount=40&reason=duplicate',
    },
  ]);
});

test('a payment intent is refunded in full when no amount is given', async () => {
  const { sent, fetcher } = recording(Response.json(REFUND));
  await run('create_refund', { paymentIntent: 'pi_1' }, fetcher);
  expect(sent[0]?.body).toBe('payment_intent=pi_1');
});

const REFUSALS: readonly (readonly [status: number, error: unknown, sentence: string])[] = [
  [
    400,
    {
      type: 'invalid_request_error',
      code: 'charge_already_refunded',
      message: 'Charge ch_1 has already been refunded.',
    },
    'Stripe refused the request (400): Charge ch_1 has already been refunded. [charge_already_refunded]',
  ],
  [
    400,
    { type: 'idempotency_error', message: 'Keys for idempotent requests …' },
    'Stripe saw this idempotency key with another request (400): Keys for idempotent requests …',
  ],
  [
    401,
    { type: 'invalid_request_error', message: 'Invalid API Key provided' },
    'Stripe refused the credential (401): Invalid API Key provided',
  ],
  [
    404,
    { code: 'resource_missing', param: 'charge', message: 'No such charge: ch_1' },
    'Stripe does not have it (404): No such charge: ch_1 [resource_missing] (field charge)',
  ],
  [
    409,
    { code: 'lock_timeout' },
    'Stripe is at work on the same object; try again later (409): lock_timeout',
  ],
  [429, {}, 'Stripe asks for fewer requests; try again later (429)'],
  [
    500,
    undefined,
    'Stripe failed (500); the refund may have been made, look for it at Stripe before you ask again',
  ],
];

for (const [status, error, sentence] of REFUSALS) {
  test(`a refusal becomes the sentence: ${sentence}`, async () => {
    const { fetcher } = recording(Response.json({ error }, { status }));
    const failed = run('create_refund', { charge: 'ch_1' }, fetcher);
    await expect(failed).rejects.toThrow(sentence);
  });
}

test('an answer that is no refund is not taken for one', async () => {
  for (const answer of ['{}', 'no JSON', '[]']) {
    const { fetcher } = recording(new Response(answer));
    const failed = run('create_refund', { charge: 'ch_1' }, fetcher);
    await expect(failed).rejects.toThrow('Stripe accepted the refund and answered with something');
  }
});

test('inputs and outputs of the examples keep to the schemas, and inputs must name one thing to refund', () => {
  const manifest = v.parse(ManifestSchema, plugin.manifest);
  for (const operation of manifest.operations) {
    expect(operation.examples.length).toBeGreaterThan(0);
    for (const { input, output } of operation.examples) {
      expect(validateJson(operation.input, input)).toEqual([]);
      expect(validateJson(operation.output, output)).toEqual([]);
    }
  }
  const create = manifest.operations.find(({ name }) => name === 'createRefund');
  const refused = [
    {},
    { charge: 'ch_1', paymentIntent: 'pi_1' },
    { charge: 'ch_1', amount: 0 },
    { charge: 'ch_1', amount: 1.5 },
    { charge: 'ch_1', reason: 'because' },
    { charge: 'ch_1', metadata: {} },
  ];
  for (const input of refused) {
    expect(validateJson(create?.input ?? false, input).length).toBeGreaterThan(0);
  }
});

test(
  'refunds are read from stripe-mock and made there, and its refusals told',
  async () => {
    mock = await startStripeMock(() => undefined);
    const { port } = mock;
    const origin = `http://127.0.0.1:${port}`;
    const local = pointAt(plugin.manifest, { scheme: 'http', host: '127.0.0.1', port });
    const broker = asBroker(MOCK_KEY, randomUUID());
    const authorization = `Bearer ${MOCK_KEY}`;

    const direct = await fetch(`${origin}/v1/refunds?limit=2`, { headers: { authorization } });
    const page = (await direct.json()) as { data: Record<string, unknown>[]; has_more: boolean };
    expect(page.data.length).toBeGreaterThan(0);
    const listed = (await run('list_refunds', { limit: 2 }, broker, local)) as typeof page & {
      refunds: Record<string, unknown>[];
    };
    expect(listed.refunds.map(({ id, amount, created }) => ({ id, amount, created }))).toEqual(
      page.data.map(({ id, amount, created }) => ({ id, amount, created })),
    );

    // The mock checks the form against Stripe's own OpenAPI description.
    const input = { charge: 'ch_1', amount: 123, reason: 'requested_by_customer' };
    const created = (await run('create_refund', input, broker, local)) as typeof REFUND;
    expect([created.id.slice(0, 3), created.amount]).toEqual(['re_', 123]);
    const output = local.operations.find(({ name }) => name === 'createRefund') as unknown as {
      output: Record<string, unknown>;
    };
    expect(validateJson(output.output, created)).toEqual([]);
    await expect(run('create_refund', { ...input, reason: 'x' }, broker, local)).rejects.toThrow(
      'Stripe refused the request (400): ',
    );
    await expect(run('list_refunds', {}, asBroker('nonsense'), local)).rejects.toThrow(
      'Stripe refused the credential (401): ',
    );
  },
  STRIPE_MOCK_TIMEOUT_MS,
);

const realKey = process.env.PORTARIUM_STRIPE_TEST_KEY ?? '';

test.skipIf(realKey === '')(
  'a refund is made once at Stripe itself, also when it is sent twice with one key (skipped unless PORTARIUM_STRIPE_TEST_KEY is set)',
  async () => {
    expect(realKey).toMatch(/^[rs]k_test_/);
    const paid = await fetch('https://api.stripe.com/v1/payment_intents', {
      method: 'POST',
      headers: { authorization: `Bearer ${realKey}` },
      body: new URLSearchParams({
        amount: '500',
        currency: 'eur',
        payment_method: 'pm_card_visa',
        'payment_method_types[]': 'card',
        confirm: 'true',
      }),
    });
    const intent = (await paid.json()) as { id: string; status: string };
    expect(intent.status).toBe('succeeded');
    const broker = asBroker(realKey, randomUUID());
    const input = { paymentIntent: intent.id, amount: 200 };
    const first = (await run('create_refund', input, broker)) as { id: string };
    expect(await run('create_refund', input, broker)).toEqual(first);
    expect(first).toMatchObject({ amount: 200, paymentIntent: intent.id });
    await expect(
      run(
        'create_refund',
        { paymentIntent: intent.id, amount: 99_999 },
        asBroker(realKey, randomUUID()),
      ),
    ).rejects.toThrow('Stripe refused the request (400): ');
  },
  60_000,
);
