// Traps at once, without an error of its own.
import { guestAbort } from '@portarium/sdk/assembly';

export function trap(): i32 {
  unreachable();
  return 0;
}
