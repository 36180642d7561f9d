/**
 * What commands print. Results go to standard output (with `--json`, one line of JSON), everything
 * else to standard error, so that scripts can read the one and people the other.
 */
import { stripVTControlCharacters } from 'node:util';

/** Prints a line of a result for people. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Prints a result as one line of JSON. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Tells progress or a warning. */
export function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Reports a failure: a sentence for people, `{"ok":false,"error"}` on standard output for `--json`. */
export function reportFailure(
  message: string,
  json: boolean,
  detail: object = { ok: false, error: message },
): void {
  if (json) printJson(detail);
  tell(message);
}

/** Columns padded to their widest cell, two spaces apart. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, stripVTControlCharacters(cell).length);
    });
  }
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
