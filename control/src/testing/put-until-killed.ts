/**
 * A writer in a process of its own that ends itself by SIGKILL at one of its calls to the file system, as a power
 * cut would. Its arguments: the evidence folder, the workspace, the text to put, and the call: its number, with
 * `torn` behind it for a write of which only the first half happens. Without such a call it puts, and prints the calls that it made. For tests only.
 */
import { createRequire } from 'node:module';
import type { WorkspaceId } from '@portarium/contracts/ids';

const [root = '', workspace = '', text = '', at = '0', how = ''] = process.argv.slice(2);
const calls: string[] = [];

/** @param torn does half of it */
async function step(name: string, torn?: () => Promise<unknown>): Promise<void> {
  calls.push(name);
  if (calls.length !== Number(at)) return;
  if (how === 'torn') await torn?.();
  process.kill(process.pid, 'SIGKILL');
}

// Changed before anything imports its functions by name.
const files = createRequire(import.meta.url)('node:fs/promises');
const real = { ...files };
const told = (path: string) => path.slice(path.lastIndexOf('/') + 1).replace(/^[0-9a-f]{64}/, '');
for (const name of ['mkdir', 'readFile', 'rename', 'link', 'unlink']) {
  files[name] = async (path: string, ...more: unknown[]) => {
    await step(`${name} ${told(path)}`);
    return real[name](path, ...more);
  };
}
files.open = async (path: string, flags: string, ...more: unknown[]) => {
  const kind = told(path);
  await step(`open ${flags} ${kind}`);
  const file = await real.open(path, flags, ...more);
  const { writeFile, sync } = file;
  file.writeFile = async (bytes: Uint8Array) => {
    const half = bytes.subarray(0, bytes.length >> 1);
    await step(`write ${kind}`, () => writeFile.call(file, half));
    return writeFile.call(file, bytes);
  };
  file.sync = async () => {
    await step(`sync ${kind}`);
    return sync.call(file);
  };
  return file;
};

const { createDirectoryStore } = await import('../infrastructure/objects/directory-store.ts');
const { systemClock } = await import('../infrastructure/identity/system.ts');
const store = createDirectoryStore(root, systemClock);
await store.put(workspace as WorkspaceId, new TextEncoder().encode(text), 'compliance');
console.log(JSON.stringify(calls));
