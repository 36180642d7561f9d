/** Runs a role of the sandbox's program as a process of its own, whose output is a line of JSON each. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { bunArguments } from '@portarium/local/bun-arguments';
import { inheritedVariables } from '@portarium/local/environment';
import { withDeathSignal } from '@portarium/local/process/death-signal';
import { REPOSITORY_ROOT } from '@portarium/local/repository';
import { usableEnvironment } from './data-option.ts';

/**
 * @param args the role, and what it takes
 * @param onLine told each line's value as it comes
 * @returns its exit code
 * @throws Error when it can not be started, or was killed
 */
export async function sandboxLines(
  args: readonly string[],
  onLine: (value: unknown) => void | Promise<void>,
): Promise<number> {
  const [role = ''] = args;
  const command = withDeathSignal(
    process.execPath,
    bunArguments('sandbox/src/main.ts', ...args),
    'KILL',
  );
  const child = spawn(command.file, command.args, {
    cwd: REPOSITORY_ROOT,
    env: inheritedVariables(usableEnvironment()),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const { promise: ended, resolve: end, reject } = Promise.withResolvers<number | null>();
  child.once('error', (cause) => reject(new Error(`The ${role} can not be started.`, { cause })));
  child.once('exit', end);
  for await (const text of createInterface({ input: child.stdout })) await onLine(JSON.parse(text));
  const code = await ended;
  if (code === null) throw new Error(`The ${role} was killed before it came to an end.`);
  return code;
}
