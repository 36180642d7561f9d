/** The system's errors about files as sentences that say what to do. */
import { messageOf } from '@portarium/local/local-stack-error';

const READING: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file. Check the path.',
  ENOTDIR: 'a part of that path is a file, not a folder. Check the path.',
  EISDIR: 'it is a folder. Name a file.',
  EACCES: 'this user may not read it. Change its permissions, or run as its owner.',
  EPERM: 'this user may not read it. Change its permissions, or run as its owner.',
};

const WRITING: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist. Create it first.',
  ENOTDIR: 'a part of that path is a file, not a folder. Name another file.',
  EISDIR: 'it is a folder. Name a file.',
  EACCES: 'this user may not write there. Name another file.',
  EPERM: 'this user may not write there. Name another file.',
  EROFS: 'that file system is read-only. Name another file.',
  ENOSPC: 'no space is left there. Free some, or name a file on another disk.',
};

/** `x.json can not be read: there is no such file. Check the path.` */
export function readSentence(path: string, error: unknown): string {
  return `${path} can not be read: ${READING[codeOf(error)] ?? messageOf(error)}`;
}

export function writeSentence(path: string, error: unknown): string {
  return `${path} can not be written: ${WRITING[codeOf(error)] ?? messageOf(error)}`;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
