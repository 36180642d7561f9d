/** Compiles AssemblyScript sources of tests to WebAssembly, the way an author's build does. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ASC = fileURLToPath(new URL('../bin/asc.js', import.meta.resolve('assemblyscript')));
const FLAGS = ['-O1', '--runtime', 'stub', '--use', 'abort=guest/onAbort'];

/** Common head of test guests: the PDK's host calls and an abort that reports an error. */
const HEAD = `
@external("extism:host/env", "input_length") declare function input_length(): u64;
@external("extism:host/env", "input_load_u8") declare function input_load_u8(at: u64): u8;
@external("extism:host/env", "alloc") declare function alloc(size: u64): u64;
@external("extism:host/env", "length") declare function length(at: u64): u64;
@external("extism:host/env", "free") declare function free(at: u64): void;
@external("extism:host/env", "load_u8") declare function load_u8(at: u64): u8;
@external("extism:host/env", "store_u8") declare function store_u8(at: u64, value: u8): void;
@external("extism:host/env", "output_set") declare function output_set(at: u64, size: u64): void;
@external("extism:host/env", "error_set") declare function error_set(at: u64): void;
@external("extism:host/env", "config_get") declare function config_get(key: u64): u64;
@external("extism:host/env", "var_get") declare function var_get(key: u64): u64;
@external("extism:host/env", "var_set") declare function var_set(key: u64, value: u64): void;
@external("extism:host/env", "log_info") declare function log_info(at: u64): void;
export function onAbort(message: string | null, file: string | null, line: u32, column: u32): void {
  unreachable();
}
function put(text: string): u64 {
  const bytes = Uint8Array.wrap(String.UTF8.encode(text));
  const at = alloc(bytes.length);
  for (let i = 0; i < bytes.length; i++) store_u8(at + i, bytes[i]);
  return at;
}
function get(at: u64): string {
  const bytes = new Uint8Array(i32(length(at)));
  for (let i = 0; i < bytes.length; i++) bytes[i] = load_u8(at + i);
  return String.UTF8.decode(bytes.buffer);
}
function input(): string {
  const bytes = new Uint8Array(i32(input_length()));
  for (let i = 0; i < bytes.length; i++) bytes[i] = input_load_u8(i);
  return String.UTF8.decode(bytes.buffer);
}
function output(text: string): void {
  const at = put(text);
  output_set(at, length(at));
}
`;

/** Declares `request(method, url)`, which gives `status body`; guests with it run under JSPI. */
export const HTTP_HEAD = `
@external("extism:host/env", "http_request") declare function http_request(q: u64, b: u64): u64;
@external("extism:host/env", "http_status_code") declare function http_status_code(): i32;
@external("extism:host/env", "http_headers") declare function http_headers(): u64;
function request(method: string, url: string, headers: string = "{}", body: string = ""): string {
  const at = http_request(
    put('{"method":"' + method + '","url":"' + url + '","headers":' + headers + '}'),
    body == "" ? 0 : put(body));
  return http_status_code().toString() + " " + (at == 0 ? "" : get(at));
}
`;

/** Declares the action's clock and random stream, and `hex(block)`. */
export const HOST_HEAD = `
@external("portarium:host/v1", "clock_time") declare function clock_time(): i64;
@external("portarium:host/v1", "random_bytes") declare function random_bytes(count: i64): u64;
function hex(at: u64): string {
  let text = "";
  for (let i: u64 = 0; i < length(at); i++) text += load_u8(at + i).toString(16).padStart(2, "0");
  return text;
}
`;

/** Declares `now()` in nanoseconds, `print(fd, text)`, and 64 bytes `at` for answers of WASI. */
export const WASI_HEAD = `
@external("wasi_snapshot_preview1", "clock_time_get")
declare function clock_time_get(id: i32, precision: i64, at: usize): i32;
@external("wasi_snapshot_preview1", "random_get")
declare function random_get(at: usize, length: i32): i32;
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: i32, vectors: usize, count: i32, written: usize): i32;
@external("wasi_snapshot_preview1", "proc_exit")
declare function proc_exit(code: i32): void;
const at = memory.data(64, 8);
function now(): i64 { clock_time_get(0, 0, at); return load<i64>(at); }
function print(fd: i32, text: string): void {
  const bytes = String.UTF8.encode(text);
  store<usize>(at, changetype<usize>(bytes));
  store<i32>(at + 4, bytes.byteLength);
  fd_write(fd, at, 1, at + 8);
}
`;

export async function compileGuest(source: string): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'portarium-guest-'));
  try {
    await writeFile(join(folder, 'guest.ts'), HEAD + source);
    await run(process.execPath, [ASC, 'guest.ts', '-o', 'guest.wasm', ...FLAGS], { cwd: folder });
    return new Uint8Array(await readFile(join(folder, 'guest.wasm')));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
