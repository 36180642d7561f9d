/** The `--data` option that every command on the stack has. */

import { resolve } from 'node:path';
import { defaultDataDir } from '@portarium/local/data-folder';
import { readEnvironment } from '@portarium/local/environment';
import { Option } from 'commander';

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
  return options.data === undefined ? defaultDataDir(readEnvironment()) : resolve(options.data);
}
