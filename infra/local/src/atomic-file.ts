/** Small files that are replaced whole or not at all; readers never see half of one. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import * as v from 'valibot';

let written = 0;

/** Replaces `path` by `text` through a rename. `mode` holds from the first byte on. */
export function writeFileAtomically(path: string, text: string, mode = 0o644): void {
  written += 1;
  const temporary = `${path}.${process.pid}.${written}.tmp`;
  writeFileSync(temporary, text, { mode, flush: true });
  renameSync(temporary, path);
}

/** Parses a JSON file; `undefined` when it is missing or has another shape. */
export function readJsonFile<const S extends v.GenericSchema>(
  path: string,
  schema: S,
): v.InferOutput<S> | undefined {
  try {
    const parsed = v.safeParse(schema, JSON.parse(readFileSync(path, 'utf8')));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
