/**
 * POSIX ustar archives (IEEE 1003.1, pax, "ustar Interchange Format") of plain files, in memory.
 * The reader takes nothing that could mean two things or leave its folder; it never throws.
 */
import { PLATFORM_LIMITS } from './limits.ts';

export interface TarFile {
  /** Relative, slashes, at most 255 bytes of `[A-Za-z0-9._/-]`. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

export type TarResult =
  | { readonly ok: true; readonly files: Map<string, Uint8Array> }
  | { readonly ok: false; readonly error: string };

const BLOCK = 512;
/** More than any honest bundle holds; bounds the work that a hostile archive causes. */
export const MAX_TAR_BYTES = PLATFORM_LIMITS.bundleBytes;
export const MAX_TAR_FILES = 1_000_000;

/** Offset and length of the fields of a header block. */
const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  link: [157, 100],
  magic: [257, 8],
  prefix: [345, 155],
} as const;

const SAFE_PATH = /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/;
const DOT_SEGMENT = /(^|\/)\.\.?(\/|$)/;
const encoder = new TextEncoder();
const latin1 = new TextDecoder('latin1');

/** Why `path` may not stand in an archive, or undefined. */
function pathProblem(path: string): string | undefined {
  if (path.length > 255) return 'a path is longer than 255 bytes';
  if (!SAFE_PATH.test(path)) return 'a path is absolute, empty or holds an unusual character';
  if (DOT_SEGMENT.test(path)) return 'a path holds a dot segment';
  return undefined;
}

/**
 * An archive of `files` in the order given; the same files give the same bytes (mtime 0, mode 0644,
 * uid and gid 0).
 * @throws RangeError for a path that the reader would refuse, and for one that stands twice
 */
export function writeTar(files: readonly TarFile[]): Uint8Array {
  const blocks: Uint8Array[] = [];
  const seen = new Set<string>();
  for (const file of files) {
    if (seen.has(file.path)) {
      throw new RangeError(`a path stands twice: ${JSON.stringify(file.path)}`);
    }
    seen.add(file.path);
    blocks.push(...tarFile(file));
  }
  blocks.push(TAR_END);
  const tar = new Uint8Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    tar.set(block, at);
    at += block.length;
  }
  return tar;
}

/** Ends an archive. */
export const TAR_END: Uint8Array = new Uint8Array(2 * BLOCK);

/** One file of an archive that is written piece by piece. @throws RangeError as {@link writeTar} */
export function tarFile({ path, bytes }: TarFile): readonly Uint8Array[] {
  const problem = pathProblem(path);
  if (problem) throw new RangeError(`${problem}: ${JSON.stringify(path)}`);
  return [header(path, bytes.length), bytes, new Uint8Array(padding(bytes.length))];
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function header(path: string, size: number): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (field: keyof typeof FIELD, text: string) => {
    block.set(encoder.encode(text), FIELD[field][0]);
  };
  const [prefix, name] = splitPath(path);
  put('name', name);
  put('prefix', prefix);
  put('mode', '0000644\0');
  put('uid', '0000000\0');
  put('gid', '0000000\0');
  put('size', `${size.toString(8).padStart(11, '0')}\0`);
  put('mtime', '00000000000\0');
  put('type', '0');
  put('magic', 'ustar\x0000');
  put('checksum', checksumText(block));
  return block;
}

/** Prefix and name of at most 155 and 100 bytes, cut at a slash. */
function splitPath(path: string): readonly [string, string] {
  if (path.length <= FIELD.name[1]) return ['', path];
  const cut = path.indexOf('/', path.length - FIELD.name[1] - 1);
  if (cut < 0 || cut > FIELD.prefix[1]) {
    throw new RangeError(`a path does not fit an ustar header: ${JSON.stringify(path)}`);
  }
  return [path.slice(0, cut), path.slice(cut + 1)];
}

/** The sum of all bytes of a header, those of the checksum itself counted as spaces. */
function checksumText(block: Uint8Array): string {
  const [start, length] = FIELD.checksum;
  let sum = length * 0x20;
  for (let i = 0; i < start; i++) sum += block[i] ?? 0;
  for (let i = start + length; i < BLOCK; i++) sum += block[i] ?? 0;
  return `${sum.toString(8).padStart(6, '0')}\0 `;
}

/**
 * Reads an archive whole. Refuses dot segments, absolute paths, links, devices, folders, extension
 * headers, repeated paths, wrong checksums, sizes that do not fit, missing ends and trailing bytes.
 */
export function readTar(tar: Uint8Array): TarResult {
  const refuse = (error: string): TarResult => ({ ok: false, error });
  if (tar.length > MAX_TAR_BYTES) return refuse(`larger than ${MAX_TAR_BYTES} bytes`);
  if (tar.length % BLOCK !== 0) return refuse('truncated: not a whole number of 512-byte blocks');
  const files = new Map<string, Uint8Array>();
  let at = 0;
  while (at < tar.length) {
    const block = tar.subarray(at, at + BLOCK);
    if (isZero(block)) {
      const end = tar.subarray(at);
      if (end.length < 2 * BLOCK) return refuse('truncated: the second end block is missing');
      return isZero(end) ? { ok: true, files } : refuse('bytes after the end of the archive');
    }
    const entry = readHeader(block);
    if (typeof entry === 'string') return refuse(`${entry} (header at byte ${at})`);
    if (files.has(entry.path)) return refuse(`${entry.path} stands twice`);
    if (files.size >= MAX_TAR_FILES) return refuse(`more than ${MAX_TAR_FILES} files`);
    const start = at + BLOCK;
    const end = start + entry.size + padding(entry.size);
    if (end > tar.length) return refuse(`truncated: ${entry.path} is longer than the archive`);
    if (!isZero(tar.subarray(start + entry.size, end))) {
      return refuse(`bytes between ${entry.path} and the next file`);
    }
    files.set(entry.path, tar.subarray(start, start + entry.size));
    at = end;
  }
  return refuse('truncated: the end of the archive is missing');
}

function isZero(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

function readHeader(block: Uint8Array): { readonly path: string; readonly size: number } | string {
  if (rawText(block, 'checksum') !== checksumText(block))
    return 'the checksum of a header is wrong';
  if (!text(block, 'magic', true)?.startsWith('ustar')) return 'not an ustar archive';
  const type = block[FIELD.type[0]];
  if (type !== 0x30 && type !== 0) {
    return 'a link, device, folder or extension; a bundle holds plain files only';
  }
  const name = text(block, 'name');
  const prefix = text(block, 'prefix');
  if (name === undefined || prefix === undefined || text(block, 'link') !== '') {
    return 'a name is not plain text, or a file has a link target';
  }
  const path = prefix === '' ? name : `${prefix}/${name}`;
  const problem = pathProblem(path);
  if (problem) return problem;
  const size = octal(block, 'size');
  return size === undefined ? 'a size is not an octal number' : { path, size };
}

/** The text of a field up to its first NUL; undefined when bytes follow it, or it is not ASCII. */
function text(block: Uint8Array, field: keyof typeof FIELD, loose = false): string | undefined {
  const [start, length] = FIELD[field];
  const bytes = block.subarray(start, start + length);
  const nul = bytes.indexOf(0);
  const used = nul < 0 ? bytes : bytes.subarray(0, nul);
  if (!loose && nul >= 0 && !isZero(bytes.subarray(nul))) return undefined;
  for (let i = 0; i < used.length; i++) {
    const byte = used[i] ?? 0;
    if (byte < 0x20 || byte > 0x7e) return undefined;
  }
  return latin1.decode(used);
}

/** Octal digits that NULs or spaces end; no sign, no base-256 numbers. */
function octal(block: Uint8Array, field: keyof typeof FIELD): number | undefined {
  const match = /^ *([0-7]{1,12})[\0 ]*$/.exec(rawText(block, field));
  return match?.[1] === undefined ? undefined : Number.parseInt(match[1], 8);
}

function rawText(block: Uint8Array, field: keyof typeof FIELD): string {
  const [start, length] = FIELD[field];
  return latin1.decode(block.subarray(start, start + length));
}
