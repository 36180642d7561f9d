// Hands over a block of 1 MiB that it never had to fill: cheap for the guest, dear for the host.
import { alloc, output_set } from '@extism/as-pdk/lib/env';
import { guestAbort } from '@portarium/sdk/assembly';

const SIZE: u64 = 1 << 20;

export function flood(): i32 {
  output_set(alloc(SIZE), SIZE);
  return 0;
}
