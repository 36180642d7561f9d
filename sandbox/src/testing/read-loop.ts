/**
 * Reads one URL again and again, as a host's broker does for guests and by plain `fetch`: what the
 * benchmark of the broker runs in a process of its own. Each line of input is a block to read, each line of
 * output what came of it: `{"durations":[ms],"elapsedMs":n,"peakMiB":n}`.
 */
import { createInterface } from 'node:readline';
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { ActionJournal } from '../egress/action-journal.ts';
import type { EgressControl } from '../egress/egress-control.ts';
import { EgressSession } from '../egress/egress-session.ts';
import { ownAddresses, systemResolve } from '../egress/resolve.ts';

interface Block {
  /** `apart`: each read for a workspace of its own, so that none finds a connection. */
  readonly way: 'fetch' | 'broker' | 'apart';
  readonly url: string;
  readonly size: number;
  readonly inFlight: number;
}

/** A read without a credential asks the Control Plane for nothing. */
const control: EgressControl = {
  intend: () => Promise.reject(new Error('a read needs no leave')),
  body: () => Promise.reject(new Error('nothing is replayed')),
};
const broker = { resolve: systemResolve, ownAddresses: ownAddresses() };
let workspaces = 0;

function session(url: string, workspace: string): EgressSession {
  const { hostname: host, port, pathname: path } = new URL(url);
  const reads = { id: 'reads', methods: ['GET' as const], scheme: 'http' as const };
  const rules = [{ ...reads, host, port: Number(port), path }];
  const contract = { plugin: rules, operator: rules, networks: ['loopback'], approval: [] };
  const order = { workspace, contract, effect: 'read' as const, limits: DEFAULT_LIMITS };
  return new EgressSession(order, broker, new ActionJournal([]), control);
}

/** One after the other as a guest does, with a new attempt when the calls of one are used up. */
function reader({ way, url }: Block): () => Promise<void> {
  if (way === 'fetch') return async () => void (await (await fetch(url)).arrayBuffer());
  let attempt = session(url, 'bench');
  return async () => {
    const over = attempt.count === DEFAULT_LIMITS.egressCalls;
    if (over || way === 'apart') attempt = session(url, over ? 'bench' : `bench-${workspaces++}`);
    const got = await attempt.request({ method: 'GET', url, headers: [], body: new Uint8Array() });
    if (got.kind !== 'response' || got.status !== 200) throw new Error(JSON.stringify(got));
  };
}

async function run(block: Block): Promise<object> {
  const durations: number[] = [];
  let left = block.size;
  const lane = async () => {
    const read = reader(block);
    while (left-- > 0) {
      const from = performance.now();
      await read();
      durations.push(performance.now() - from);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: block.inFlight }, lane));
  const elapsedMs = performance.now() - started;
  return { durations, elapsedMs, peakMiB: process.resourceUsage().maxRSS / 1024 };
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await run(JSON.parse(line) as Block)));
}
