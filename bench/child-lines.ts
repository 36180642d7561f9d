/** A program of this repository in a process of its own, spoken with line by line. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface ChildLines {
  /** The next line that it writes. */
  line(): Promise<string>;
  tell(text: string): void;
  stop(): void;
}

/** @param path from the root of the repository */
export function startChild(path: string): ChildLines {
  const file = fileURLToPath(new URL(`../${path}`, import.meta.url));
  const child = spawn(process.execPath, [file], { stdio: ['pipe', 'pipe', 'inherit'] });
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
