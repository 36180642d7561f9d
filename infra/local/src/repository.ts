/** Where this clone lies and which version it is; reads files only. */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';

/** Absolute path of the repository that this code runs from. */
export const REPOSITORY_ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

const RootPackageSchema = v.object({ version: v.string(), packageManager: v.string() });

/** Version of the product and of the pinned Bun, from the root `package.json`. */
export function readVersions(): { readonly product: string; readonly bun: string } {
  const text = readFileSync(join(REPOSITORY_ROOT, 'package.json'), 'utf8');
  const root = v.parse(RootPackageSchema, JSON.parse(text));
  return { product: root.version, bun: root.packageManager.replace(/^bun@/, '') };
}
