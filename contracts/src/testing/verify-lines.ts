/**
 * Verifies the bundles that lines of standard input name, and prints a report a line: one process for many
 * bundles, on any runtime. For tests only.
 */
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { verifyBundle } from '../verify-bundle.ts';

for await (const line of createInterface({ input: process.stdin })) {
  const { file, ...options } = JSON.parse(line);
  const bundle = new Uint8Array(await readFile(file));
  console.log(JSON.stringify(await verifyBundle(bundle, options)));
}
