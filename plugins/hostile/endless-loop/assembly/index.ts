// Never returns and never calls the host: only killing the process stops it.
import { output } from '@portarium/sdk/assembly';

let turns: u32 = 0;

export function spin(): i32 {
  while (true) turns++;
  output('{}');
  return 0;
}
