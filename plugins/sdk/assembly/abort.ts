// What `throw`, a failed assertion or an index out of range becomes: the message goes to the host
// as the plugin's error, then the module traps. Replaces the `env.abort` import, which no host has.
import { Memory } from '@extism/as-pdk';
import { error_set } from '@extism/as-pdk/lib/env';

export function guestAbort(
  message: string | null,
  fileName: string | null,
  line: u32,
  column: u32,
): void {
  const what = message === null ? 'aborted' : message;
  const where = fileName === null ? '' : ` (${fileName}:${line}:${column})`;
  error_set(Memory.allocateString(what + where).offset);
  unreachable();
}
