/** The `--data` option that every command on the stack has. */

import { resolve } from 'node:path';
import { defaultDataDir } from '@portarium/local/data-folder';
import { type LocalEnvironment, readEnvironment } from '@portarium/local/environment';
import { messageOf } from '@portarium/local/local-stack-error';
import { Option } from 'commander';
import { UsageError } from './usage-error.ts';

export interface DataOption {
  readonly data?: string;
}

export function dataOption(): Option {
  return new Option(
    '--data <dir>',
    'data folder (default: $PORTARIUM_DATA, else .portarium in the repository)',
  );
}

/** Absolute path of the data folder that the command works on. */
export function dataDirOf(options: DataOption): string {
  return options.data === undefined ? defaultDataDir(usableEnvironment()) : resolve(options.data);
}

/** @throws UsageError that names the environment variable of the wrong form */
export function usableEnvironment(): LocalEnvironment {
  try {
    return readEnvironment();
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}
