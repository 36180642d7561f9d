/** What tests do in a sandbox host's place: claim, and report. */
import type { ClaimResponse, WorkOrder } from '@portarium/contracts/internal-api';
import type { TestInstance } from './test-instance.ts';

/** What a small attempt used. */
export const USAGE = {
  wallMs: 5,
  cpuMs: 4,
  memoryBytes: 1,
  egressCalls: 0,
  egressBytesOut: 0,
  egressBytesIn: 0,
  logLines: 0,
  hostCalls: 1,
};

/** The answer to a claim, whatever it is. */
export async function claim(
  instance: TestInstance,
  action: string,
): Promise<{ status: number; body: ClaimResponse & { code?: string; retryAfterMs?: number } }> {
  const json = { workspace: 'local', action, isolation: 'process', engine: 'test' };
  const response = await instance.call('POST', '/internal/v1/claims', {
    key: instance.hostKey,
    json,
  });
  return { status: response.status, body: (await response.json()) as never };
}

/** @throws Error when the claim gives no order */
export async function claimed(instance: TestInstance, action: string): Promise<WorkOrder> {
  const { status, body } = await claim(instance, action);
  if (status === 200 && body.status === 'run') return body.order;
  throw new Error(`expected an order, got ${status} ${JSON.stringify(body)}`);
}

export async function report(
  instance: TestInstance,
  order: WorkOrder,
  what: 'outcome' | 'heartbeat',
  json: unknown,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await instance.call('POST', `/internal/v1/attempts/${order.attempt}/${what}`, {
    key: instance.hostKey,
    json,
    headers: { 'portarium-ticket': order.ticket },
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
