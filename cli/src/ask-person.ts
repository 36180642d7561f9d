/** Questions to the person at the terminal, on standard error, so that results stay apart. */
import { createInterface } from 'node:readline';

/** Whether somebody can answer. */
export function isTerminal(): boolean {
  return process.stdin.isTTY === true;
}

/** @returns the answer; undefined when the person ended the input instead */
export function ask(question: string): Promise<string | undefined> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  return new Promise((resolve) => {
    lines.once('close', () => resolve(undefined));
    lines.once('SIGINT', () => lines.close());
    lines.question(question, (answer) => {
      resolve(answer);
      lines.close();
    });
  });
}

/** Asks without showing what is typed or pasted. @returns undefined when the person gave up */
export async function askHidden(question: string): Promise<string | undefined> {
  const { stdin, stderr } = process;
  // Before the question: what is typed or pasted at once must not show either.
  stdin.setRawMode(true);
  stderr.write(question);
  stdin.setEncoding('utf8');
  stdin.resume();
  try {
    return await new Promise<string | undefined>((resolve) => {
      let typed = '';
      stdin.on('data', (chunk) => {
        for (const key of String(chunk)) {
          if (key === '\r' || key === '\n') return resolve(typed);
          if (key === '\u0003' || key === '\u0004') return resolve(undefined);
          typed = key === '\u007f' || key === '\b' ? typed.slice(0, -1) : typed + key;
        }
      });
    });
  } finally {
    stdin.removeAllListeners('data');
    stdin.pause();
    stdin.setRawMode(false);
    stderr.write('\n');
  }
}
