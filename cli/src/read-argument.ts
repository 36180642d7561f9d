/**
 * Input files, and arguments that stand for text: given as such, as `@file`, or as `@-` for
 * standard input. Whatever can not be used is a usage error.
 */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { parseStrictJson } from '@portarium/contracts/canonical-json';
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

/**
 * JSON as the Control Plane takes it: what would be read in two ways, such as a key that stands twice,
 * is refused here.
 * @throws UsageError that names the option when its text is not such JSON
 */
export async function readJsonArgument(option: string, argument: string): Promise<unknown> {
  const given = await readArgument(argument);
  try {
    return parseStrictJson(given);
  } catch (error) {
    throw new UsageError(
      `${option} is not usable JSON: ${messageOf(error)}. Expected JSON, @file or @-.`,
    );
  }
}
