/**
 * Fetches an official release archive and takes the binary out of it, only when the archive's
 * SHA-256 is the pinned one. Never unpacks unverified bytes.
 */
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../local-stack-error.ts';
import { runCommand } from '../process/run-command.ts';
import type { ReleaseArchive } from './server-binary.ts';

export type StepResult =
  | { readonly ok: true; readonly file: string }
  | { readonly ok: false; readonly reason: string };

/** No answer, or no further bytes, for this long means that the network is not there. */
const ANSWER_TIMEOUT_MS = 5_000;
const STALL_TIMEOUT_MS = 15_000;
/** Larger than any release; bounds what a wrong server can make us store. */
const LARGEST_ARCHIVE_BYTES = 512 * 1024 * 1024;

export async function downloadRelease(
  archive: ReleaseArchive,
  workFolder: string,
  onProgress: (detail: string) => void,
): Promise<StepResult> {
  const target = join(workFolder, 'release.tar.gz');
  let sha256: string;
  try {
    sha256 = await fetchTo(archive.url, target, onProgress);
  } catch (error) {
    return { ok: false, reason: `could not be downloaded (${messageOf(error)})` };
  }
  if (sha256 !== archive.sha256) {
    return {
      ok: false,
      reason: `${archive.url} has SHA-256 ${sha256}, expected ${archive.sha256}; it was not unpacked`,
    };
  }
  const unpacked = await runCommand('tar', ['-xzf', target, '-C', workFolder, archive.member], {
    timeoutMs: 120_000,
  });
  const file = join(workFolder, archive.member);
  if (!unpacked.ok || !existsSync(file)) {
    return {
      ok: false,
      reason: `tar could not take ${archive.member} out: ${unpacked.output.trim()}`,
    };
  }
  return { ok: true, file };
}

/** Streams `url` into `target`; the SHA-256 of what was written. */
async function fetchTo(
  url: string,
  target: string,
  onProgress: (detail: string) => void,
): Promise<string> {
  const aborter = new AbortController();
  let timer = setTimeout(() => aborter.abort(new Error('no answer')), ANSWER_TIMEOUT_MS);
  const sink = createWriteStream(target);
  try {
    const response = await fetch(url, { signal: aborter.signal });
    if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
    const hash = createHash('sha256');
    let bytes = 0;
    let toldAt = Date.now();
    for await (const chunk of response.body) {
      clearTimeout(timer);
      timer = setTimeout(() => aborter.abort(new Error('the download stalled')), STALL_TIMEOUT_MS);
      bytes += chunk.byteLength;
      if (bytes > LARGEST_ARCHIVE_BYTES) throw new Error('the archive is unreasonably large');
      hash.update(chunk);
      if (!sink.write(chunk)) await new Promise((resolve) => sink.once('drain', resolve));
      if (Date.now() - toldAt > 2_000) {
        toldAt = Date.now();
        onProgress(`downloaded ${(bytes / 1024 / 1024).toFixed(0)} MiB of ${url}`);
      }
    }
    await new Promise<void>((resolve, reject) => {
      sink.once('error', reject);
      sink.end(() => resolve());
    });
    return hash.digest('hex');
  } finally {
    clearTimeout(timer);
    sink.destroy();
  }
}
