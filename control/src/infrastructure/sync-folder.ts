/** A name that was linked or renamed is on the disk only after its folder is. */
import { open } from 'node:fs/promises';

export async function syncFolder(folder: string): Promise<void> {
  const opened = await open(folder, 'r');
  try {
    await opened.sync();
  } finally {
    await opened.close();
  }
}
