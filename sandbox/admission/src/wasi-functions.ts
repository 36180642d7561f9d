/**
 * The functions of WASI preview 1 and their core types (`wasi_snapshot_preview1.witx`, lowered as
 * its ABI says: handles, pointers, sizes and flags are i32; sizes, rights and times of 64 bits i64).
 */
import type { FunctionType } from './read-module.ts';
import { I32, I64 } from './read-types.ts';

export const WASI_MODULE = 'wasi_snapshot_preview1';

/** Parameters, `i` for an i32 and `I` for an i64; each but `proc_exit` returns an i32, its errno. */
const PARAMETERS: Readonly<Record<string, string>> = {
  args_get: 'ii',
  args_sizes_get: 'ii',
  clock_res_get: 'ii',
  clock_time_get: 'iIi',
  environ_get: 'ii',
  environ_sizes_get: 'ii',
  fd_advise: 'iIIi',
  fd_allocate: 'iII',
  fd_close: 'i',
  fd_datasync: 'i',
  fd_fdstat_get: 'ii',
  fd_fdstat_set_flags: 'ii',
  fd_fdstat_set_rights: 'iII',
  fd_filestat_get: 'ii',
  fd_filestat_set_size: 'iI',
  fd_filestat_set_times: 'iIIi',
  fd_pread: 'iiiIi',
  fd_prestat_dir_name: 'iii',
  fd_prestat_get: 'ii',
  fd_pwrite: 'iiiIi',
  fd_read: 'iiii',
  fd_readdir: 'iiiIi',
  fd_renumber: 'ii',
  fd_seek: 'iIii',
  fd_sync: 'i',
  fd_tell: 'ii',
  fd_write: 'iiii',
  path_create_directory: 'iii',
  path_filestat_get: 'iiiii',
  path_filestat_set_times: 'iiiiIIi',
  path_link: 'iiiiiii',
  path_open: 'iiiiiIIii',
  path_readlink: 'iiiiii',
  path_remove_directory: 'iii',
  path_rename: 'iiiiii',
  path_symlink: 'iiiii',
  path_unlink_file: 'iii',
  poll_oneoff: 'iiii',
  proc_exit: 'i',
  proc_raise: 'i',
  random_get: 'ii',
  sched_yield: '',
  sock_accept: 'iii',
  sock_recv: 'iiiiii',
  sock_send: 'iiiii',
  sock_shutdown: 'ii',
};

export const WASI_FUNCTIONS: ReadonlyMap<string, FunctionType> = new Map(
  Object.entries(PARAMETERS).map(([name, parameters]) => [
    name,
    {
      params: [...parameters].map((letter) => (letter === 'i' ? I32 : I64)),
      results: name === 'proc_exit' ? [] : [I32],
    },
  ]),
);
