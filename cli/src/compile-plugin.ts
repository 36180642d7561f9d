import type { BuiltPlugin } from '@portarium/sdk/build';
import { checkPluginFolder } from './plugin-folder.ts';

/**
 * Compiles a plugin's folder, once it is checked. The compiler is loaded only now: it would slow the
 * start of every other command.
 * @throws UsageError when the folder is not a plugin's
 */
export async function compilePlugin(dir: string, outDir?: string): Promise<BuiltPlugin> {
  await checkPluginFolder(dir);
  const { buildPlugin } = await import('@portarium/sdk/build');
  return buildPlugin(dir, outDir);
}
