/**
 * Builds the web console into a folder: hashed assets and the page that names them. The folder is
 * replaced as a whole.
 *
 * usage: bun scripts/build-console.ts DIR
 */
import { copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

const SOURCE = join(import.meta.dirname, '../control/src/console');

/** @throws Error when something does not compile */
export async function buildConsole(folder: string): Promise<void> {
  const aside = `${folder}.${process.pid}.part`;
  await rm(aside, { recursive: true, force: true });
  await mkdir(aside, { recursive: true });
  const built = await Bun.build({
    entrypoints: [join(SOURCE, 'main.tsx'), join(SOURCE, 'console.css')],
    outdir: aside,
    target: 'browser',
    minify: true,
    splitting: true,
    naming: '[name]-[hash].[ext]',
    define: { 'process.env.NODE_ENV': '"production"' },
  });
  const nameOf = (start: string, end: string) => {
    const found = built.outputs
      .filter(({ kind }) => kind !== 'chunk')
      .map(({ path }) => basename(path))
      .find((name) => name.startsWith(start) && name.endsWith(end));
    if (found === undefined) throw new Error(`the build of the console made no ${start}*${end}`);
    return found;
  };
  await writeFile(
    join(aside, 'index.html'),
    page(nameOf('main', '.js'), nameOf('console', '.css')),
  );
  await copyFile(join(SOURCE, 'icon.svg'), join(aside, 'icon.svg'));
  await rm(folder, { recursive: true, force: true });
  await rename(aside, folder);
}

function page(script: string, style: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Portarium</title>
<link rel="icon" href="/console/assets/icon.svg">
<link rel="stylesheet" href="/console/assets/${style}">
<script type="module" src="/console/assets/${script}"></script>
</head>
<body><noscript>The console needs JavaScript. Everything it does, ./portarium does too.</noscript></body>
</html>
`;
}

if (import.meta.main) {
  const folder = process.argv[2];
  if (folder === undefined) throw new Error('usage: bun scripts/build-console.ts DIR');
  await buildConsole(folder);
}
