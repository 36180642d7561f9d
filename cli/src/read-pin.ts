/** The verifier key that a person believes; what is none is told before a bundle is looked at. */
import { parseVerifierKey } from '@portarium/contracts/signed-note';
import { Option } from 'commander';
import { readArgument } from './read-argument.ts';
import { UsageError } from './usage-error.ts';

export function pinOption(): Option {
  return new Option(
    '--pin <key>',
    'verifier key of the log (name+hash+base64) or @file with it; portarium evidence key prints it',
  );
}

/**
 * @param argument the key, `@file` or `@-`; of a file the first line counts, which is the newest key
 * @throws UsageError that says what a verifier key looks like
 */
export async function readPin(argument: string | undefined): Promise<string | undefined> {
  if (argument === undefined) return undefined;
  const pin = ((await readArgument(argument)).split('\n')[0] ?? '').trim();
  if (await parseVerifierKey(pin)) return pin;
  throw new UsageError(
    '--pin is no verifier key. Expected one line, name+hash+base64, such as local+1a2b3c4d+Aex5…, or @file with it. portarium evidence key prints that of the log.',
  );
}
