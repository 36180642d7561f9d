// Logs 500 blocks of 1 KiB. Only the start of each is written, so that the host calls stay few.
import { alloc, log_warn, store_u64 } from '@extism/as-pdk/lib/env';
import { Json, outputJson } from '@portarium/sdk/assembly';

const LINES: i32 = 500;
const SIZE: u64 = 1024;

export function flood(): i32 {
  for (let line = 0; line < LINES; line++) {
    const block = alloc(SIZE);
    store_u64(block, 0x21444f4f4c46); // "FLOOD!"
    log_warn(block);
  }
  outputJson(Json.object().set('lines', Json.number(LINES)));
  return 0;
}
