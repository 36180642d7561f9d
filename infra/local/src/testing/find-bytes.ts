/** Looks for a text where nobody should find it: in files of a folder, in the memory of processes. */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The forms in which a secret could stand somewhere by mistake. */
export function formsOf(secret: string): readonly Buffer[] {
  const bytes = Buffer.from(secret);
  const base64 = [0, 1, 2].map((shift) => {
    const shifted = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
    // What of the encoding depends on the secret alone, wherever it begins.
    return shifted.slice(Math.ceil((shift * 4) / 3), shifted.length - 4);
  });
  const forms = [secret, encodeURIComponent(secret), bytes.toString('hex'), ...base64];
  const wide = Buffer.from(secret, 'utf16le');
  return [...[...new Set(forms)].map((form) => Buffer.from(form)), wide];
}

/** Paths of files that hold one of `forms`; files that go away meanwhile are left out. */
export async function filesWith(
  folder: string,
  forms: readonly Buffer[],
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path).catch(() => Buffer.alloc(0));
    if (forms.some((form) => bytes.includes(form))) found.push(path);
  }
  return found;
}

const PAGE = 4_096;
/** Pages that one read takes at most. */
const PAGES_A_READ = 2_048;

/**
 * How many bytes of a process's memory were read, and whether one of `forms` is in them. Pages that hold
 * nothing are left out: engines set gigabytes aside and touch few of them.
 */
export function memoryHolds(
  pid: number,
  forms: readonly Buffer[],
): { readonly readBytes: number; readonly found: boolean } {
  const overlap = Math.max(...forms.map((form) => form.length));
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const pagemap = openSync(`/proc/${pid}/pagemap`, 'r');
  let readBytes = 0;
  let found = false;
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const [, from = '', to = ''] = /^([0-9a-f]+)-([0-9a-f]+) r/.exec(line) ?? [];
      if (from === '' || /\[v(var|syscall)/.test(line)) continue;
      const [start, end] = [Number.parseInt(from, 16), Number.parseInt(to, 16)];
      if (!Number.isSafeInteger(end)) continue;
      let tail = Buffer.alloc(0);
      for (const run of presentRuns(pagemap, start, end)) {
        const chunk = Buffer.alloc(run.bytes);
        const bytes = chunk.subarray(0, readAt(memory, chunk, run.at));
        readBytes += bytes.length;
        // A secret may begin at the end of one read and end in the next.
        const joined = Buffer.concat([tail, bytes]);
        found ||= forms.some((form) => joined.includes(form));
        tail = Buffer.from(joined.subarray(-overlap));
      }
    }
  } finally {
    closeSync(memory);
    closeSync(pagemap);
  }
  return { readBytes, found };
}

/** Runs of pages that are in memory (bit 63 of a pagemap entry) or swapped out (bit 62). */
function* presentRuns(
  pagemap: number,
  start: number,
  end: number,
): Generator<{ readonly at: number; readonly bytes: number }> {
  for (let at = start; at < end; at += PAGES_A_READ * PAGE) {
    const pages = Math.min(PAGES_A_READ, (end - at) / PAGE);
    const entries = Buffer.alloc(8 * pages);
    readAt(pagemap, entries, (at / PAGE) * 8);
    let first = -1;
    for (let page = 0; page <= pages; page++) {
      const held = page < pages && ((entries[8 * page + 7] ?? 0) & 0xc0) !== 0;
      if (held && first < 0) first = page;
      if (held || first < 0) continue;
      yield { at: at + first * PAGE, bytes: (page - first) * PAGE };
      first = -1;
    }
  }
}

function readAt(file: number, into: Buffer, position: number): number {
  try {
    return readSync(file, into, 0, into.length, position);
  } catch {
    return 0;
  }
}

/** Ids of processes whose command line or environment holds one of `forms`. */
export function processesWith(forms: readonly Buffer[]): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) =>
      ['cmdline', 'environ'].some((file) => {
        try {
          const bytes = readFileSync(`/proc/${pid}/${file}`);
          return forms.some((form) => bytes.includes(form));
        } catch {
          return false;
        }
      }),
    )
    .map(Number);
}
