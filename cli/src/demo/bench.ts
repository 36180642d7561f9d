/** What the steps of the demo share: clients of each role, and what one step leaves for the next. */
import { randomBytes } from 'node:crypto';
import type { Action } from '@portarium/client/answers';
import { PortariumClient } from '@portarium/client/portarium-client';
import { PortariumError } from '@portarium/client/portarium-error';
import type { StackConnection } from '@portarium/local/running-stack';
import type { BuiltPlugin } from '@portarium/sdk/build';

export interface DemoStep {
  readonly name: string;
  /** What it does, for people. */
  readonly title: string;
  /** @returns what was seen, in one sentence and as data */
  run(): Promise<DemoOutcome>;
}

export interface DemoOutcome {
  readonly shown: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

export interface DemoParts {
  readonly stack: StackConnection;
  /** Port of stripe-mock on loopback. */
  readonly stripePort: number;
}

export const PLUGINS = {
  'csv-insights': 'plugins/examples/csv-insights',
  'stripe-refunds': 'plugins/examples/stripe-refunds',
  'phone-home': 'plugins/examples/phone-home',
  'endless-loop': 'plugins/hostile/endless-loop',
} as const;
export type PluginName = keyof typeof PLUGINS;

/** Where stripe-mock listens, and the only host that the demo's credential is for. */
export const STRIPE_HOST = '127.0.0.1';

const WAIT_SECONDS = 60;

export interface DemoBench extends DemoParts {
  readonly built: Map<PluginName, BuiltPlugin>;
  /** Made anew for each demo; stripe-mock takes any key of this form. */
  readonly secret: string;
  readonly state: {
    bundle: Uint8Array;
    pin: string;
    csv: string;
    credential: string;
    refund: string;
  };
  as(role: keyof StackConnection['keys']): PortariumClient;
  withKey(key: string): PortariumClient;
  /** Asks as an agent, and waits for the outcome or for what it waits for. */
  run(plugin: PluginName, operation: string, input: unknown, replaces?: string): Promise<Action>;
  summarise(): Promise<Action>;
}

export function demoBench({ stack, stripePort }: DemoParts): DemoBench {
  const { url, workspace } = stack;
  const withKey = (key: string) => new PortariumClient({ url, workspace, key });
  const as = (role: keyof StackConnection['keys']) => withKey(stack.keys[role]);
  const state = { bundle: new Uint8Array(), pin: '', csv: '', credential: '', refund: '' };
  const run = (plugin: PluginName, operation: string, input: unknown, replaces?: string) =>
    as('agent').actions.create(
      { plugin, operation, input, ...(replaces === undefined ? {} : { replaces }) },
      { waitSeconds: WAIT_SECONDS },
    );
  return {
    ...{ stack, stripePort, state, as, withKey, run },
    built: new Map(),
    secret: `sk_test_${randomBytes(24).toString('hex')}`,
    summarise: () => run('csv-insights', 'summarise', { csv: state.csv }),
  };
}

/** @throws Error with `message` unless `condition` holds */
export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** @throws Error unless the action came to this end */
export function expectState(action: Action, state: Action['state']): void {
  expect(
    action.state === state,
    `action ${action.id} is ${action.state}, not ${state}: ${JSON.stringify(action.error)}`,
  );
}

/** The code that the Control Plane refuses with. @throws Error when it does not refuse */
export async function refusalOf(call: Promise<unknown>): Promise<PortariumError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof PortariumError) return error;
  throw error ?? new Error('what had to be refused was not');
}
