/**
 * `portarium demo`: the main job on real input. Side effects: starts the stack when none runs (and
 * stops it again), starts stripe-mock, builds and uploads the example plugins.
 */
import { findRunningStack, type StackConnection } from '@portarium/local/running-stack';
import { startStack } from '@portarium/local/start-stack';
import type { Command } from 'commander';
import { type DataOption, dataDirOf, dataOption } from '../data-option.ts';
import type { DemoOutcome } from '../demo/bench.ts';
import { demoSteps } from '../demo/steps.ts';
import { startStripeMock } from '../demo/stripe-mock.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { print, printJson } from '../output.ts';
import { progressLines } from '../progress-lines.ts';
import { registerDemoTamper } from './demo-tamper.ts';

interface DemoOptions extends DataOption {
  readonly json?: true;
}

export function registerDemo(program: Command): void {
  const command = program
    .command('demo')
    .description('do the main job on real input: policy, approval, sandbox, egress, evidence')
    .addOption(dataOption())
    .option('--json', 'print one line a step and a last line {"ok":true,…}')
    .action(async (options: DemoOptions) => {
      process.exitCode = await demo(options);
    });
  registerDemoTamper(command);
}

type Stop = () => Promise<void>;

async function demo(options: DemoOptions): Promise<number> {
  const json = options.json === true;
  const started = performance.now();
  const stops: Stop[] = [];
  let steps = 0;
  const step = async <T extends DemoOutcome>(
    name: string,
    title: string,
    work: () => Promise<T>,
  ): Promise<T> => {
    const begun = performance.now();
    const outcome = await work();
    const ms = Math.round(performance.now() - begun);
    steps += 1;
    if (json) printJson({ step: name, ok: true, ms, ...outcome.data });
    else print(`✓ ${`${(ms / 1000).toFixed(1)} s`.padStart(7)}  ${title}: ${outcome.shown}`);
    return outcome;
  };
  try {
    const { stack } = await step('stack', 'start the stack', () => openStack(options, stops));
    const { port } = await step('stripe-mock', 'start stripe-mock', () => openStripeMock(stops));
    for (const { name, title, run } of demoSteps({ stack, stripePort: port }))
      await step(name, title, run);
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
  const ms = Math.round(performance.now() - started);
  if (json) printJson({ ok: true, steps, ms });
  else
    print(
      `Everything held: ${steps} steps in ${(ms / 1000).toFixed(1)} s. \`portarium up\` keeps the stack running for you.`,
    );
  return EXIT_CODES.ok;
}

async function openStack(
  options: DemoOptions,
  stops: Stop[],
): Promise<DemoOutcome & { stack: StackConnection }> {
  const dataDir = dataDirOf(options);
  const running = findRunningStack(dataDir);
  if (running !== undefined)
    return { stack: running, shown: `uses the one at ${running.url}`, data: { url: running.url } };
  const stack = await startStack({ dataDir, onProgress: progressLines() });
  stops.push(() => stack.stop());
  return { stack, shown: `ready at ${stack.url}`, data: { url: stack.url } };
}

async function openStripeMock(stops: Stop[]): Promise<DemoOutcome & { port: number }> {
  const mock = await startStripeMock(progressLines());
  stops.push(() => mock.stop());
  return { port: mock.port, shown: `listens on port ${mock.port}`, data: { port: mock.port } };
}
