/**
 * `bun run sandbox/src/main.ts replay BUNDLE`: prints one line of JSON for each attempt and a last
 * one for all. Reads one file, needs no running system, and nothing it starts has a network.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { ActionIdSchema } from '@portarium/contracts/ids';
import * as v from 'valibot';
import { replayBundle } from './replay-bundle.ts';
import { ENGINES, type EngineName, prepareEngine, type ReplayEngine } from './replay-engine.ts';

const USAGE =
  'usage: bun run sandbox/src/main.ts replay BUNDLE [--action ACT] [--engine bun|deno|both] [--pin KEY] [--json]';

const OptionsSchema = v.object({
  action: v.optional(ActionIdSchema),
  engine: v.optional(v.picklist([...ENGINES, 'both']), 'both'),
  pin: v.optional(v.string()),
});

/**
 * @param args behind the role
 * @param searchPath folders to look for `setpriv` in
 * @returns 0 all agree, 1 a difference, 2 unreadable or usage, 3 not replayable
 */
export async function replay(args: readonly string[], searchPath: string): Promise<number> {
  const parsed = parse(args);
  if (typeof parsed === 'string') return refuse(`${parsed}\n${USAGE}`);
  const { path, action, engine, pin } = parsed;
  const names: readonly EngineName[] = engine === 'both' ? ENGINES : [engine];
  const engines: ReplayEngine[] = [];
  try {
    const bundle = await readFile(path);
    for (const name of names) engines.push(await prepareEngine(name, searchPath));
    const onAttempt = (report: object) => print(report);
    const { summary, exitCode } = await replayBundle(bundle, { engines, action, pin, onAttempt });
    print(summary);
    // An exit right after a write to a pipe could cut the output short.
    await new Promise((resolve) => process.stdout.write('', resolve));
    return exitCode;
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  } finally {
    await Promise.all(engines.map(({ cell }) => cell.remove()));
  }
}

function parse(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        action: { type: 'string' },
        engine: { type: 'string' },
        pin: { type: 'string' },
        // The output is JSON with and without it.
        json: { type: 'boolean' },
      },
    });
    const [path, ...more] = positionals;
    if (path === undefined || more.length > 0) return 'name one bundle';
    const options = v.safeParse(OptionsSchema, values);
    if (!options.success) {
      const [issue] = options.issues;
      return `--${v.getDotPath(issue)}: ${issue.message}`;
    }
    return { path, ...options.output };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function refuse(message: string): number {
  process.stderr.write(`${message}\n`);
  return 2;
}
