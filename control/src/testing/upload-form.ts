/** A small real plugin for tests: one `read` operation `echo`, made byte by byte. */

const MANIFEST = {
  schema: 1,
  name: 'echo',
  version: '1.0.0',
  operations: [
    {
      name: 'echo',
      export: 'echo',
      effect: 'read',
      input: {
        type: 'object',
        required: ['text'],
        properties: { text: { type: 'string' } },
        additionalProperties: false,
      },
      output: {},
    },
    { name: 'change', export: 'echo', effect: 'write' },
    { name: 'destroy', export: 'echo', effect: 'destructive' },
  ],
};

/** `(module (func (export "echo") (result i32) i32.const 0))` */
export const ECHO_MODULE = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7f, 0x03,
  0x02, 0x01, 0x00, 0x07, 0x08, 0x01, 0x04, 0x65, 0x63, 0x68, 0x6f, 0x00, 0x00, 0x0a, 0x06, 0x01,
  0x04, 0x00, 0x41, 0x00, 0x0b,
]);

export function uploadForm(
  change: { readonly version?: string; readonly name?: string; readonly module?: Uint8Array } = {},
): FormData {
  const form = new FormData();
  const manifest = {
    ...MANIFEST,
    name: change.name ?? MANIFEST.name,
    version: change.version ?? MANIFEST.version,
  };
  form.set('manifest', new Blob([JSON.stringify(manifest)], { type: 'application/json' }));
  form.set(
    'module',
    new Blob([(change.module ?? ECHO_MODULE) as Uint8Array<ArrayBuffer>], {
      type: 'application/wasm',
    }),
    'module.wasm',
  );
  return form;
}
