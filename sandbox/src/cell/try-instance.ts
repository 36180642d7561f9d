/**
 * Makes an instance of a compiled module whose imports do nothing but refuse, and drops it. Nothing of
 * the guest is called: whatever the engine finds wrong lies in the module itself.
 */
export async function tryInstance(compiled: WebAssembly.Module): Promise<void> {
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = Object.create(null);
  for (const { module, name } of WebAssembly.Module.imports(compiled)) {
    imports[module] ??= Object.create(null) as Record<string, WebAssembly.ImportValue>;
    const functions = imports[module];
    if (functions) functions[name] = refuse;
  }
  await WebAssembly.instantiate(compiled, imports);
}

function refuse(): never {
  throw new Error('the module calls the host while an instance is made of it');
}
