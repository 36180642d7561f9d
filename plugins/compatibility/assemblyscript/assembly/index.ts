// A plugin with nothing but the standard PDK of Extism: the same module runs under Extism and here.
import { Config, Host, LogLevel, Memory, Var } from '@extism/as-pdk';
import { error_set, free, http_request, length } from '@extism/as-pdk/lib/env';

@external('extism:host/env', 'http_status_code')
declare function http_status_code(): i32;

let calls = 0;

export function myAbort(message: string | null, file: string | null, line: u32, column: u32): void {
  unreachable();
}

export function echo(): i32 {
  Host.output(Host.input());
  return 0;
}

function shown(value: string | null): string {
  return value === null ? 'none' : value;
}

export function variables(): i32 {
  const before = shown(Var.getString('kept'));
  Var.set('kept', Host.input());
  Var.set('gone', Uint8Array.wrap(String.UTF8.encode('x')));
  Var.remove('gone');
  Host.outputString(before + ' ' + shown(Var.getString('kept')) + ' ' + shown(Var.getString('gone')));
  return 0;
}

export function settings(): i32 {
  Host.outputString(shown(Config.get('greeting')) + ' ' + shown(Config.get('absent')));
  return 0;
}

export function logs(): i32 {
  Host.log(LogLevel.Info, 'told');
  Host.log(LogLevel.Warn, 'warned');
  Host.log(LogLevel.Error, 'blamed');
  Host.log(LogLevel.Debug, 'explained');
  return 0;
}

export function fails(): i32 {
  error_set(Memory.allocateString('the disk is full ✗').offset);
  return 3;
}

// A return code without an error.
export function code(): i32 {
  return 7;
}

export function crashes(): i32 {
  return unreachable();
}

export function counts(): i32 {
  Host.outputString((calls++).toString());
  return 0;
}

// The kit has no function for it yet.
export function requests(): i32 {
  const asked =
    '{"method":"POST","url":"' + Host.inputString() + '","headers":{"content-type":"text/plain"}}';
  const answer = http_request(
    Memory.allocateString(asked).offset,
    Memory.allocateString('question').offset,
  );
  const body = new Memory(answer, length(answer)).toString();
  Host.outputString(http_status_code().toString() + ' ' + body);
  return 0;
}

export function blocks(): i32 {
  const data = new Uint8Array(1048579);
  for (let n = 0; n < data.length; n++) data[n] = <u8>((n * 7) % 251);
  const block = Memory.allocateBytes(data);
  const read = block.toUint8Array();
  let same = read.length === data.length;
  for (let n = 0; n < data.length && same; n++) same = read[n] === data[n];
  const size = length(block.offset);
  free(block.offset);
  Host.outputString(size.toString() + ' ' + same.toString() + ' ' + length(block.offset).toString());
  return 0;
}
