// Grows its memory a MiB at a time until that is refused, and writes to every page it gets.
import { Json, outputJson } from '@portarium/sdk/assembly';

const PAGE: usize = 65536;
const STEP: i32 = 16;
/** Enough for the runtime to write the answer once no page is left. */
const RESERVE: i32 = 32768;

export function fill(): i32 {
  const reserve = heap.alloc(RESERVE);
  while (true) {
    const before = memory.grow(STEP);
    if (before < 0) break;
    for (let page = before; page < before + STEP; page++) store<u8>(<usize>page * PAGE, 1);
  }
  heap.free(reserve);
  outputJson(Json.object().set('pages', Json.number(memory.size())));
  return 0;
}
