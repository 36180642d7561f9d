/** One round of the kill matrix: writes held at their steps, one part killed, and what came of each. */
import { randomUUID } from 'node:crypto';
import { descendants } from './descendants.ts';
import { callStack, untilAvailable } from './stack-calls.ts';
import { approveWrite, requestWrite, untilEnded, type WriteRig } from './write-rig.ts';
import { holdAtSteps, type Step, type SteppedWrite } from './write-steps.ts';

/** `nothing` is the control: every write must succeed at once. */
export const VICTIMS = [
  'sandbox host',
  'cell',
  'Control Plane',
  'Temporal',
  'PostgreSQL',
  'nothing',
] as const;
export type Victim = (typeof VICTIMS)[number];

export interface Write extends SteppedWrite {
  readonly keyed: boolean;
  readonly victim: Victim;
}

export interface Counts {
  /** Writes that reached the counterpart. */
  readonly requests: number;
  readonly effects: number;
  /** Distinct idempotency keys of these requests; `undefined` for none. */
  readonly keys: readonly (string | undefined)[];
}

export interface Result extends Write, Counts {
  readonly state: string;
  readonly error: string | undefined;
  /** Whether the write had come to its step when the victim died. */
  readonly atStep: boolean;
  /** Verdicts of the writes in the action's journal. */
  readonly journal: readonly string[];
}

/** Lease, time limit of the request, slack, Temporal's back-off, and room for a slow machine. */
const ENDED_WITHIN_MS = 90_000;
/** Writes come to their steps in well under a second after their claims; a guest has 6 s in all. */
const REACHED_WITHIN_MS = 4_500;
const READY_WITHIN_MS = 60_000;
/** Hosts give a claim 5 s; whoever comes later goes alone. */
const CLAIMS_WITHIN_MS = 4_500;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Two writes a step, one with and one without a key, all at once; then the victim dies. */
export async function killRound(
  rig: WriteRig,
  victim: Victim,
  steps: readonly Step[],
): Promise<readonly Result[]> {
  await untilReady(rig);
  await warmUp(rig);
  const writes: Write[] = [];
  const actions = [];
  for (const step of steps) {
    for (const keyed of [true, false]) {
      const id = `w-${randomUUID()}`;
      const action = await requestWrite(rig.stack, id, keyed);
      actions.push(action);
      writes.push({ id, action: action.id, step, keyed, victim });
    }
  }
  const together = claimTogether(rig, new Set(actions.map(({ id }) => id)));
  const gate = holdAtSteps(rig.proxy, rig.counterpart, writes);
  try {
    await Promise.all(actions.map((action) => approveWrite(rig.stack, action)));
    await together;
    await gate.reached(REACHED_WITHIN_MS);
    await gate.deliver();
    const atStep = new Set(writes.filter(({ id }) => gate.isAt(id)));
    killAll(pidsOf(rig, victim));
    gate.open();
    return await Promise.all(
      writes.map(async (write) => {
        const ended = await untilEnded(rig.stack, write.action, ENDED_WITHIN_MS);
        const journal = await writeVerdicts(rig, write.action);
        const { state, error } = ended;
        const about = { state, error: error?.code, atStep: atStep.has(write), journal };
        return { ...write, ...about, ...countsOf(rig, write.id) };
      }),
    );
  } finally {
    gate.open();
  }
}

/** One write all the way, so that the round does not begin while clients still find their servers. */
async function warmUp(rig: WriteRig): Promise<void> {
  const action = await requestWrite(rig.stack, `w-${randomUUID()}`, true);
  await approveWrite(rig.stack, action);
  await untilEnded(rig.stack, action.id, READY_WITHIN_MS);
}

/** Holds the first claims until all are there, so that no write has spent its time before the rest. */
async function claimTogether(rig: WriteRig, actions: ReadonlySet<string>): Promise<void> {
  const claimed = new Set<string>();
  const all = Promise.withResolvers<void>();
  const free = rig.proxy.at('claims', 'before-forward', async ({ action = '' }) => {
    if (!actions.has(action)) return;
    claimed.add(action);
    if (claimed.size === actions.size) all.resolve();
    await Promise.race([all.promise, pause(CLAIMS_WITHIN_MS)]);
  });
  await Promise.race([all.promise, pause(2 * CLAIMS_WITHIN_MS)]);
  free();
}

function pidsOf({ stack }: WriteRig, victim: Victim): readonly number[] {
  const parts = {
    'sandbox host': 'sandbox',
    'Control Plane': 'control',
    Temporal: 'temporal',
    PostgreSQL: 'postgres',
  } as const;
  if (victim === 'nothing') return [];
  const pids =
    victim === 'cell' ? descendants(stack.pidOf('sandbox') ?? -1) : [stack.pidOf(parts[victim])];
  const found = pids.filter((pid) => pid !== undefined);
  if (found.length === 0) throw new Error(`there is no process of ${victim} to kill`);
  return found;
}

function killAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // A cell that ended by itself in between.
    }
  }
}

export function countsOf({ counterpart }: WriteRig, id: string): Counts {
  const seen = counterpart.requests(id).filter(({ method }) => method === 'POST');
  return {
    requests: seen.length,
    effects: counterpart.effects(id),
    keys: [...new Set(seen.map(({ key }) => key))],
  };
}

async function writeVerdicts({ stack }: WriteRig, action: string): Promise<readonly string[]> {
  const response = await untilAvailable(() =>
    callStack(stack, 'operator', 'GET', `/actions/${action}/journal`),
  );
  if (!response.ok) throw new Error(`no journal of ${action}: ${await response.text()}`);
  const { items } = (await response.json()) as { items: { method: string; verdict: string }[] };
  return items.filter(({ method }) => method === 'POST').map(({ verdict }) => verdict);
}

/** @throws Error when a part does not come back */
export async function untilReady({ stack }: WriteRig): Promise<void> {
  const unready = () => stack.status().filter(({ state }) => state !== 'ready');
  const deadline = performance.now() + READY_WITHIN_MS;
  while (unready().length > 0) {
    if (performance.now() > deadline) {
      throw new Error(`not ready after ${READY_WITHIN_MS} ms: ${JSON.stringify(unready())}`);
    }
    await pause(50);
  }
}

/** The results as a Markdown table, one row for a step and a victim. */
export function tableOf(results: readonly Result[], steps: readonly Step[]): string {
  const row = (cells: readonly unknown[]) => `| ${cells.join(' | ')} |`;
  const head = ['step', 'killed', 'key', 'writes', 'at the step', 'requests', 'effects', 'ended'];
  const rows = steps.flatMap((step) =>
    VICTIMS.flatMap((victim) =>
      [true, false].flatMap((keyed) => {
        const cell = results.filter(
          (one) => one.step === step && one.victim === victim && one.keyed === keyed,
        );
        if (cell.length === 0) return [];
        const sum = (of: (one: Result) => number) =>
          cell.reduce((total, one) => total + of(one), 0);
        const states = Map.groupBy(cell, ({ state }) => state);
        const ended = [...states].map(([state, list]) => `${list.length} ${state}`).join(', ');
        const counts = [cell.length, sum((one) => Number(one.atStep)), sum((one) => one.requests)];
        const name = keyed ? 'yes' : 'no';
        return [row([step, victim, name, ...counts, sum((one) => one.effects), ended])];
      }),
    ),
  );
  return [row(head), row(head.map(() => '---')), ...rows].join('\n');
}
