/**
 * A stack of its own with a fault proxy before the Control Plane and a recording counterpart behind
 * the broker, and writes that people approve: what the kill matrix and the write benchmark stand on.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readEnvironment } from '../environment.ts';
import { type RunningStack, startStack } from '../start-stack.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { type RecordingCounterpart, startRecordingCounterpart } from './recording-counterpart.ts';
import { type ActionView, callStack, pushPlugin, untilAvailable } from './stack-calls.ts';

export interface WriteRig extends AsyncDisposable {
  readonly stack: RunningStack;
  readonly proxy: FaultProxy;
  readonly counterpart: RecordingCounterpart;
}

export interface WriteAction extends ActionView {
  readonly state: string;
  readonly approval?: { readonly id: string; readonly digest: string };
  readonly finishedAt?: string;
}

export const LEDGER = 'plugins/sdk/fixtures/ledger';

/**
 * @param cells attempts that the supervised host runs at once
 * @param direct whether it asks the Control Plane without the proxy between, as a benchmark does
 */
export async function startWriteRig(cells: number, direct = false): Promise<WriteRig> {
  const dataDir = await mkdtemp(join(tmpdir(), 'portarium-writes-'));
  const proxy = await startFaultProxy();
  const counterpart = await startRecordingCounterpart();
  const environment = readEnvironment({ ...process.env, PORTARIUM_CELLS: String(cells) });
  const hostsFindControlAt = (url: string): string => {
    proxy.forwardTo(url);
    return direct ? url : proxy.url;
  };
  const stack = await startStack({ dataDir, environment, hostsFindControlAt });
  const rig: WriteRig = {
    ...{ stack, proxy, counterpart },
    async [Symbol.asyncDispose]() {
      await stack.stop();
      await proxy[Symbol.asyncDispose]();
      await counterpart[Symbol.asyncDispose]();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
  try {
    const target = { scheme: 'http', host: '127.0.0.1', port: counterpart.port } as const;
    await pushPlugin(stack, LEDGER, target);
    return rig;
  } catch (error) {
    await rig[Symbol.asyncDispose]();
    throw error;
  }
}

/** Asks for a write of `id` and answers the action, which waits for a person. */
export async function requestWrite(
  stack: RunningStack,
  id: string,
  keyed: boolean,
): Promise<WriteAction> {
  const operation = keyed ? 'writeKeyed' : 'writeUnkeyed';
  const response = await untilAvailable(() =>
    callStack(stack, 'operator', 'POST', '/actions', {
      headers: { 'content-type': 'application/json', 'idempotency-key': id },
      body: JSON.stringify({ plugin: 'ledger', operation, input: { id } }),
    }),
  );
  if (!response.ok) throw new Error(`the write was refused: ${await response.text()}`);
  return (await response.json()) as WriteAction;
}

/** Approves with the key of another person. */
export async function approveWrite(stack: RunningStack, action: WriteAction): Promise<void> {
  const { approval } = action;
  if (approval === undefined) {
    throw new Error(`action ${action.id} is ${action.state} and names no approval`);
  }
  const decision = { decision: 'approve', rationale: 'a test of writes', digest: approval.digest };
  const response = await untilAvailable(() =>
    callStack(stack, 'approver', 'POST', `/approvals/${approval.id}/decisions`, {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(decision),
    }),
  );
  if (!response.ok) throw new Error(`the approval was refused: ${await response.text()}`);
}

/** Reads the action until it is final or `outcome-unknown`; the Control Plane may be away meanwhile. */
export async function untilEnded(
  stack: RunningStack,
  id: string,
  timeoutMs: number,
): Promise<WriteAction> {
  const deadline = performance.now() + timeoutMs;
  let last = 'nothing was read';
  while (performance.now() < deadline) {
    try {
      const response = await callStack(stack, 'operator', 'GET', `/actions/${id}`, {
        signal: AbortSignal.timeout(5_000),
      });
      last = await response.text();
      const action = JSON.parse(last) as WriteAction;
      const ended = action.finishedAt !== undefined || action.state === 'outcome-unknown';
      if (response.ok && ended) return action;
    } catch (error) {
      last = String(error);
    }
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  throw new Error(`action ${id} has not ended after ${timeoutMs} ms; last: ${last}`);
}
