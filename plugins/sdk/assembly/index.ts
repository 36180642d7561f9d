// What a plugin author imports: `import { input, output, fail, http, Json } from '@portarium/sdk/assembly'`.
// An operation is an exported function without parameters that returns 0, or `fail(…)`.
import { Config, Host, LogLevel, Memory } from '@extism/as-pdk';
import { error_set } from '@extism/as-pdk/lib/env';
import { Json } from './json';

export { guestAbort } from './abort';
export { clock } from './clock';
export { Header, HttpResponse, http } from './http';
export { Json, JsonKind } from './json';
export { random } from './random';
export { LogLevel } from '@extism/as-pdk';

/** The caller's input: JSON text, or plain text for an operation with encoding `text`. */
export function input(): string {
  return Host.inputString();
}

/** The caller's input as exact bytes, for an operation with encoding `bytes`. */
export function inputBytes(): Uint8Array {
  return Host.input();
}

/**
 * The caller's input as JSON. Portarium has checked it against the operation's schema;
 * text that is no JSON at all aborts with a message.
 */
export function inputJson(): Json {
  const value = Json.parse(Host.inputString());
  if (value === null) throw new Error('the input is not JSON: ' + Json.problem());
  return value;
}

/** Sets the result. The last call wins. */
export function output(text: string): void {
  // Not Host.outputString: PDK 1.0.0 sizes its block by UTF-16 units, so anything but ASCII overflows.
  Host.output(Uint8Array.wrap(String.UTF8.encode(text)));
}

export function outputBytes(bytes: Uint8Array): void {
  Host.output(bytes);
}

export function outputJson(value: Json): void {
  output(value.toString());
}

/** Reports an error that the caller will read. Use it as `return fail('…')`. */
export function fail(message: string): i32 {
  error_set(Memory.allocateString(message).offset);
  return 1;
}

/** A value of the manifest's `config`, or null when it is not set. */
export function config(name: string): string | null {
  return Config.get(name);
}

/** Writes a line to the attempt's log. Lines beyond the limit are dropped. */
export function log(message: string, level: LogLevel = LogLevel.Info): void {
  Host.log(level, message);
}
