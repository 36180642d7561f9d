/** Text format of a guest, completed with what it uses: imports of the host's functions, and a few words. */

/** Types of the host's functions, as the Extism kits and ours declare them. */
const HOST_TYPES: Readonly<Record<string, readonly [module: string, type: string]>> = {
  ...extism({
    alloc: '(param i64) (result i64)',
    config_get: '(param i64) (result i64)',
    error_set: '(param i64)',
    free: '(param i64)',
    http_headers: '(result i64)',
    http_request: '(param i64 i64) (result i64)',
    http_status_code: '(result i32)',
    input_length: '(result i64)',
    input_load_u8: '(param i64) (result i32)',
    input_load_u64: '(param i64) (result i64)',
    length: '(param i64) (result i64)',
    load_u8: '(param i64) (result i32)',
    load_u64: '(param i64) (result i64)',
    log_debug: '(param i64)',
    log_error: '(param i64)',
    log_info: '(param i64)',
    log_trace: '(param i64)',
    log_warn: '(param i64)',
    output_set: '(param i64 i64)',
    store_u8: '(param i64 i32)',
    store_u64: '(param i64 i64)',
    var_get: '(param i64) (result i64)',
    var_set: '(param i64 i64)',
  }),
  clock_time: ['portarium:host/v1', '(result i64)'],
  random_bytes: ['portarium:host/v1', '(param i64) (result i64)'],
};

function extism(types: Readonly<Record<string, string>>) {
  return Object.fromEntries(
    Object.entries(types).map(([name, type]) => [name, ['extism:host/env', type] as const]),
  );
}

/** Words that a guest may use. A block of the host is an `i64`; a text lies in the guest's memory. */
const WORDS: Readonly<Record<string, string>> = {
  /** Whether the attack came to nothing; the last call wins. */
  verdict: `(func $verdict (param $held i32)
    (if (local.get $held) (then (call $held)) (else (call $won))))`,
  held: `(func $held (call $say (i64.const ${little('held')})))`,
  won: `(func $won (call $say (i64.const ${little('won!')})))`,
  say: `(func $say (param $letters i64) (local $at i64)
    (local.set $at (call $alloc (i64.const 4)))
    (loop $next
      (call $store_u8 (local.get $at) (i32.wrap_i64 (local.get $letters)))
      (local.set $at (i64.add (local.get $at) (i64.const 1)))
      (local.set $letters (i64.shr_u (local.get $letters) (i64.const 8)))
      (br_if $next (i64.ne (local.get $letters) (i64.const 0))))
    (call $output_set (i64.sub (local.get $at) (i64.const 4)) (i64.const 4)))`,
  /** Copies a text from memory into a block. */
  put: `(func $put (param $from i32) (param $length i32) (result i64) (local $at i64) (local $i i32)
    (local.set $at (call $alloc (i64.extend_i32_u (local.get $length))))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $i) (local.get $length)))
      (call $store_u8 (i64.add (local.get $at) (i64.extend_i32_u (local.get $i)))
        (i32.load8_u (i32.add (local.get $from) (local.get $i))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next)))
    (local.get $at))`,
};

/** Four letters as the number that lies in memory as they do. */
function little(letters: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = new TextEncoder().encode(letters);
  return `0x${[d, c, b, a].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** Bytes at the start of a page of memory, and a call that copies them into a block. */
export function literal(...parts: readonly (string | readonly number[])[]): {
  readonly memory: string;
  readonly put: string;
} {
  const bytes = parts.flatMap((part) =>
    typeof part === 'string' ? [...new TextEncoder().encode(part)] : part,
  );
  const hex = bytes.map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');
  return {
    memory: `(memory 1) (data (i32.const 0) "${hex}")`,
    put: `(call $put (i32.const 0) (i32.const ${bytes.length}))`,
  };
}

/** A whole module of `fields` and of all that they call by name and do not define. */
export function guestText(fields: string): string {
  let text = fields;
  // Words use words that stand before them.
  for (const [name, word] of Object.entries(WORDS)) {
    if (uses(text, name)) text += `\n${word}`;
  }
  const imports = Object.entries(HOST_TYPES).flatMap(([name, [module, type]]) =>
    uses(text, name) ? [`(import "${module}" "${name}" (func $${name} ${type}))`] : [],
  );
  return `(module\n${[...imports, text].join('\n')})`;
}

function uses(text: string, name: string): boolean {
  return new RegExp(`call \\$${name}[\\s)]`).test(text) && !text.includes(`(func $${name} `);
}

/** Of WebAssembly beyond what is admitted, so that a case can write what has to be refused. */
const FEATURES = {
  ...{ exceptions: true, threads: true, tail_call: true, memory64: true, relaxed_simd: true },
  ...{ extended_const: true, simd: true, bulk_memory: true, reference_types: true },
};

/** Loaded when it is asked for: that takes a quarter of a second. */
let assembler: ReturnType<typeof loadAssembler> | undefined;
const loadAssembler = async () => (await import('wabt')).default();

/** Assembles a module in text format; what it means is not checked. */
export async function assemble(text: string): Promise<Uint8Array> {
  assembler ??= loadAssembler();
  const parsed = (await assembler).parseWat('guest.wat', text, FEATURES);
  try {
    return parsed.toBinary({ write_debug_names: false }).buffer.slice();
  } finally {
    parsed.destroy();
  }
}
