/** A program of this repository in a process of its own, spoken with line by line. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { planeCommand } from '@portarium/local/parts/plane-command';
import { REPOSITORY_ROOT } from '@portarium/local/repository';

export interface ChildLines {
  /** The next line that it writes. */
  line(): Promise<string>;
  tell(text: string): void;
  stop(): void;
}

/** @param path from the root of the repository */
export function startChild(path: string, runtime: 'bun' | 'deno' = 'bun'): ChildLines {
  const { file, args } = planeCommand({ runtime }, path);
  const stdio = ['pipe', 'pipe', 'inherit'] as const;
  const child = spawn(file, args, { cwd: REPOSITORY_ROOT, stdio: [...stdio] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async line() {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${path} ended`);
      return value;
    },
    tell: (text) => void child.stdin.write(`${text}\n`),
    stop: () => void child.kill(),
  };
}
