/** Reads the built console from its folder, once. */
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

interface File {
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly brotli: Uint8Array<ArrayBuffer>;
}

/** @throws Error when the folder can not be read, or has no `index.html` */
export async function readConsoleFiles(folder: string): Promise<ReadonlyMap<string, File>> {
  const names = (await readdir(folder)).filter((name) => TYPES[extname(name)] !== undefined);
  if (!names.includes('index.html')) {
    throw new Error(`${folder} holds no console; make one: bun scripts/build-console.ts ${folder}`);
  }
  const files = names.map(async (name) => {
    const bytes = new Uint8Array(await readFile(join(folder, name)));
    const params = { [constants.BROTLI_PARAM_QUALITY]: 9 };
    const brotli = new Uint8Array(brotliCompressSync(bytes, { params }));
    return [name, { type: TYPES[extname(name)] ?? '', bytes, brotli }] as const;
  });
  return new Map(await Promise.all(files));
}
