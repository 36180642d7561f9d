/** Arguments that stand for text: given as such, as `@file`, or as `@-` for standard input. */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { messageOf } from '@portarium/local/local-stack-error';
import { UsageError } from './usage-error.ts';

/** @throws UsageError that names the file when it can not be read */
export async function readArgument(argument: string): Promise<string> {
  if (!argument.startsWith('@')) return argument;
  if (argument === '@-') return text(process.stdin);
  const path = argument.slice(1);
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new UsageError(`${path} can not be read: ${messageOf(error)}`);
  }
}

/** @throws UsageError that names the option when its text is not JSON */
export async function readJsonArgument(option: string, argument: string): Promise<unknown> {
  const given = await readArgument(argument);
  try {
    return JSON.parse(given) as unknown;
  } catch (error) {
    throw new UsageError(`${option} is not JSON: ${messageOf(error)}. Expected JSON, @file or @-.`);
  }
}
