import { expect, test } from 'bun:test';
import { type ActionOrder, ORDER_MEDIA_TYPE } from './action-order.ts';
import { canonicalBytes } from './canonical-json.ts';
import type { Alterations } from './testing/action-teller.ts';
import type { Draft } from './testing/log-builder.ts';
import { ORDERED_STORIES } from './testing/ordered-stories.ts';
import { verifyTold } from './testing/told-log.ts';

const digest = `sha256:${'a'.repeat(64)}` as const;
const { read, approvedWrite } = ORDERED_STORIES;

const rulesOf = async (alter: Alterations) => (await verifyTold(read, alter)).rules;
const changed = (change: (order: ActionOrder) => object) =>
  rulesOf({ order: (order) => ({ ...order, ...change(order) }) });
const requested = (change: (draft: Draft) => Partial<Draft>) =>
  rulesOf({
    draft: (draft) => (draft.type === 'action.requested' ? { ...draft, ...change(draft) } : draft),
  });

test('an order that is about anything else than the request is found, field by field', async () => {
  const cases: ((order: ActionOrder) => object)[] = [
    () => ({ workspace: 'other' }),
    () => ({ action: 'act_019b76da80007000800000000000aaaa' }),
    (order) => ({ plugin: { ...order.plugin, digest } }),
    (order) => ({ plugin: { ...order.plugin, name: 'other' } }),
    (order) => ({ plugin: { ...order.plugin, version: '1.2.1' } }),
    (order) => ({ operation: { ...order.operation, name: 'other' } }),
    (order) => ({ operation: { ...order.operation, effect: 'write' } }),
  ];
  for (const change of cases) expect(await changed(change)).toEqual(['order.agrees']);
  expect(await changed(() => ({ inputDigest: digest }))).toEqual(['order.agrees', 'order.input']);
});

test('a contract in the order that is not the one asked for is found', async () => {
  const wider = await changed(({ contract }) => ({
    contract: {
      ...contract,
      operator: [...contract.operator, { ...contract.operator[0], id: 'x' }],
    },
  }));
  expect(wider).toEqual(['order.contract']);
  const networks = await changed(({ contract }) => ({
    contract: { ...contract, networks: ['loopback'] },
  }));
  expect(networks).toEqual(['order.contract']);
});

test('an order that is not canonical, or is no order, is found', async () => {
  const text = (bytes: string) => ({ order: () => new TextEncoder().encode(bytes) });
  expect(await rulesOf(text('{ }'))).toEqual(['order.canonical']);
  expect(await rulesOf(text('{"v":1,"v":1}'))).toEqual(['order.canonical']);
  expect(await rulesOf({ order: () => new Uint8Array([0xff]) })).toEqual(['order.canonical']);
  expect(await rulesOf(text('[]'))).toEqual(['order.schema']);
  expect(await changed(() => ({ extra: 1 }))).toEqual(['order.schema']);
  expect(await changed(() => ({ seed: '5e' }))).toEqual(['order.schema']);
  const noSuchDay = { startTime: '2026-02-31T00:00:00.000Z' };
  expect(await changed(() => noSuchDay)).toEqual(['order.schema']);
});

test('a request that hides its order, its module or its input is found', async () => {
  const without = (hidden: string) =>
    requested(({ artifacts = [] }) => ({
      artifacts: artifacts.filter(({ mediaType }) => mediaType !== hidden),
    }));
  expect(await without('application/wasm')).toEqual(['order.module']);
  expect(await without('application/json')).toEqual(['order.input']);
  expect(await without(ORDER_MEDIA_TYPE)).toEqual(['order.artifact']);
  expect(await requested(({ data }) => ({ data: { ...data, orderDigest: digest } }))).toEqual([
    'order.artifact',
  ]);
  const { orderDigest: _, ...older } = (await firstData()) ?? {};
  expect(await requested(() => ({ data: older }))).toContain('order.artifact');
});

test('one order serves one action', async () => {
  let first: ActionOrder | undefined;
  const { rules } = await verifyTold([read, read], {
    order: (order) => {
      first ??= order;
      return first;
    },
  });
  expect(rules).toEqual(['order.agrees']);
});

test('without its order a bundle is incomplete, and the rest is still checked', async () => {
  const { report } = await verifyTold(approvedWrite, { omit: [ORDER_MEDIA_TYPE] });
  expect(report).toMatchObject({ verdict: 'incomplete', artifacts: { omitted: 2 } });
  expect(report.findings).toEqual([
    { rule: 'order.omitted', seq: 1, message: 'its order was left out of this bundle' },
  ]);
});

test('hostile orders cost what their bytes cost, and nothing throws', async () => {
  const deep = new TextEncoder().encode('['.repeat(100_000));
  const many = canonicalBytes(Array.from({ length: 100_000 }, () => ({})));
  for (const bytes of [deep, many]) {
    const { report } = await verifyTold(read, { order: () => bytes });
    expect(report.verdict).toBe('falsified');
    expect(report.findings).toHaveLength(1);
  }
});

/** The data of an honest request. */
async function firstData(): Promise<Draft['data'] | undefined> {
  let data: Draft['data'] | undefined;
  await verifyTold(read, {
    draft: (draft) => {
      data ??= draft.data;
      return draft;
    },
  });
  return data;
}
