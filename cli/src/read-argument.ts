/**
 * Input files, and arguments that stand for text: given as such, as `@file`, or as `@-` for
 * standard input. Whatever can not be used is a usage error.
 */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { CanonicalJsonError, parseStrictJson } from '@portarium/contracts/canonical-json';
import { messageOf } from '@portarium/local/local-stack-error';
import { readSentence } from './file-sentence.ts';
import { UsageError } from './usage-error.ts';

/** @throws UsageError that names the file when it can not be read */
export async function readInputFile(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new UsageError(readSentence(path, error));
  }
}

/** @throws UsageError that names the file when it can not be read */
export async function readTextFile(path: string): Promise<string> {
  return new TextDecoder().decode(await readInputFile(path));
}

/** @throws UsageError that names the file when it can not be read */
export async function readArgument(argument: string): Promise<string> {
  if (!argument.startsWith('@')) return argument;
  return argument === '@-' ? text(process.stdin) : readTextFile(argument.slice(1));
}

/** @throws UsageError that names the option when its text is not JSON */
export async function readJsonArgument(option: string, argument: string): Promise<unknown> {
  const given = await readArgument(argument);
  try {
    return parseStrictJson(given);
  } catch (error) {
    const where = error instanceof CanonicalJsonError && error.path !== '' ? ` ${error.path}:` : '';
    throw new UsageError(
      `${option} is not usable JSON:${where} ${messageOf(error)}. Expected JSON, @file or @-.`,
    );
  }
}
