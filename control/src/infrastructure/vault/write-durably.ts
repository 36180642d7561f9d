/** Replaces a file so that after a crash it holds the old or the new text, never half of one. */
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

export async function writeDurably(path: string, text: string): Promise<void> {
  const aside = `${path}.part`;
  const file = await open(aside, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, path);
  // The rename itself is durable only with its folder.
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
