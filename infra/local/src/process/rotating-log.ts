/**
 * A log file with a size cap: one previous file is kept, so a noisy child can not fill the disk.
 * Writing never throws: whoever supervises must go on when its log can not be written.
 */
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** Bytes of one file before it becomes `<file>.1`. */
export const LOG_FILE_BYTES = 8 * 1024 * 1024;

export class RotatingLog {
  readonly path: string;
  readonly #maxBytes: number;
  #size: number;
  #dropped = 0;

  constructor(path: string, maxBytes = LOG_FILE_BYTES) {
    this.path = path;
    this.#maxBytes = maxBytes;
    this.#size = sizeOf(path);
  }

  /** Pieces of output that could not be written and are not yet told of in the log. */
  get dropped(): number {
    return this.#dropped;
  }

  write(chunk: Uint8Array | string): void {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    if (!this.#append(bytes)) {
      this.#dropped += 1;
      return;
    }
    if (this.#dropped === 0) return;
    const lost = this.#dropped;
    this.#dropped = 0;
    const text = `${stamp()} ${lost} pieces of output could not be written before\n`;
    if (!this.#append(Buffer.from(text))) this.#dropped = lost;
  }

  /** One line with the time, for what the supervisor itself did. */
  note(text: string): void {
    this.write(`${stamp()} ${text}\n`);
  }

  #append(bytes: Uint8Array): boolean {
    for (const again of [true, false]) {
      try {
        if (this.#size > 0 && this.#size + bytes.byteLength > this.#maxBytes) {
          renameSync(this.path, `${this.path}.1`);
          this.#size = 0;
        }
        appendFileSync(this.path, bytes, { mode: 0o600 });
        this.#size += bytes.byteLength;
        return true;
      } catch {
        // Somebody removed the file or its folder: made anew once.
        if (again) this.#makeFolder();
      }
    }
    return false;
  }

  #makeFolder(): void {
    try {
      mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    } catch {
      // The write that follows fails and counts.
    }
    this.#size = sizeOf(this.path);
  }

  /** The last lines, for error messages. Empty when nothing was written after byte `from`. */
  tail(lines = 12, from = 0): string {
    try {
      const size = sizeOf(this.path);
      const buffer = Buffer.alloc(Math.max(0, Math.min(size - from, 16 * 1024)));
      if (buffer.length === 0) return '';
      const file = openSync(this.path, 'r');
      try {
        readSync(file, buffer, 0, buffer.length, size - buffer.length);
      } finally {
        closeSync(file);
      }
      return buffer.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
    } catch {
      return '';
    }
  }
}

function stamp(): string {
  return `${new Date().toISOString()} [supervisor]`;
}

function sizeOf(path: string): number {
  try {
    return existsSync(path) ? statSync(path).size : 0;
  } catch {
    return 0;
  }
}
