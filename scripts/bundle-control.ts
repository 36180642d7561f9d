/**
 * Bundles the Control Plane for runtimes that do not run TypeScript, such as Node:
 * `bun run scripts/bundle-control.ts [FOLDER]` writes `control.mjs` and `workflows.js`.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { REPOSITORY_ROOT } from '@portarium/local/repository';
import { build, type Plugin } from 'esbuild';
import { bundleWorkflows } from '../control/src/infrastructure/temporal/worker.ts';

export interface ControlBundle {
  readonly main: string;
  /** For `PORTARIUM_WORKFLOW_BUNDLE`. */
  readonly workflows: string;
}

/** @param folder two levels below the root, where packages and migrations are found from */
export async function bundleControl(folder: string): Promise<ControlBundle> {
  await mkdir(folder, { recursive: true });
  const main = join(folder, 'control.mjs');
  const workflows = join(folder, 'workflows.js');
  await Promise.all([
    bundleProgram('control/src/main.ts', main),
    bundleWorkflows().then((code) => writeFile(workflows, code)),
  ]);
  return { main, workflows };
}

/** One file of our own sources; packages stay where they are. */
export async function bundleProgram(source: string, outfile: string): Promise<void> {
  await build({
    entryPoints: [join(REPOSITORY_ROOT, source)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
    plugins: [packagesStayOutside],
  });
}

const packagesStayOutside: Plugin = {
  name: 'packages stay outside',
  setup(bundler) {
    bundler.onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
      kind === 'entry-point' || path.startsWith('@portarium/') ? undefined : { external: true },
    );
  },
};

if (import.meta.main) {
  const folder = resolve(process.argv[2] ?? join(REPOSITORY_ROOT, 'control/build'));
  console.log(JSON.stringify(await bundleControl(folder)));
}
