/** Reads a secret from where only its owner sees it. Its value never stands in an error. */
import { text } from 'node:stream/consumers';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { askHidden, isTerminal } from './ask-person.ts';
import { readTextFile } from './read-argument.ts';
import { UsageError } from './usage-error.ts';

/**
 * The line feed that ends a file is not part of the value; nothing else is taken away.
 * @param file `-` for standard input; when left out, the person at the terminal is asked
 * @throws UsageError when the value is none that is stored
 */
export async function readSecret(file: string | undefined): Promise<string> {
  const given = await (file === undefined || file === '-' ? fromInput(file) : readTextFile(file));
  return usableSecret(given);
}

async function fromInput(file: '-' | undefined): Promise<string> {
  if (file === '-' || !isTerminal()) return text(process.stdin);
  const typed = await askHidden('Value (it does not show): ');
  if (typed === undefined) throw new UsageError('No value was given.');
  return typed;
}

/** @throws UsageError that says what is expected, and nothing of what was given */
export function usableSecret(given: string): string {
  const value = given.replace(/\r?\n$/, '');
  const { secretCharacters, secretBytes } = PLATFORM_LIMITS;
  if (value === '') {
    throw new UsageError(
      'No value was given: what was read is empty. Give it in a file (--value-file FILE), on standard input (--value-file -), or at the prompt of a terminal.',
    );
  }
  if (
    /^[\x21-\x7e]*$/.test(value) &&
    value.length >= secretCharacters &&
    value.length <= secretBytes
  ) {
    return value;
  }
  throw new UsageError(
    `The value is not usable. Expected ${secretCharacters} to ${secretBytes} visible ASCII characters, without spaces and on one line.`,
  );
}
