// Counts its calls in a global, in memory of its own and in an Extism variable.
import { Var } from '@extism/as-pdk';
import { Json, outputJson } from '@portarium/sdk/assembly';

let calls: i32 = 0;
const kept = memory.data(8);

export function count(): i32 {
  calls++;
  store<i32>(kept, load<i32>(kept) + 1);
  const before = Var.get('calls');
  const inVariable: u8 = before === null ? 1 : before[0] + 1;
  const after = new Uint8Array(1);
  after[0] = inVariable;
  Var.set('calls', after);
  outputJson(
    Json.object()
      .set('count', Json.number(calls))
      .set('memory', Json.number(load<i32>(kept)))
      .set('variable', Json.number(inVariable)),
  );
  return 0;
}
