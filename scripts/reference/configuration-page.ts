/** `docs/reference/configuration.md`: every environment variable, from the schemas that read them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigurationSchema } from '@portarium/control/configuration';
import { EnvironmentSchema } from '@portarium/local/environment';
import { SandboxEnvironmentSchema } from '@portarium/sandbox/configuration';
import * as v from 'valibot';
import { NOTICE } from './notice.ts';

const root = join(import.meta.dirname, '../..');

interface Part {
  readonly title: string;
  readonly about: string;
  readonly file: string;
  readonly schema: { readonly entries: Readonly<Record<string, v.GenericSchema>> };
}

const PARTS: readonly Part[] = [
  {
    title: 'Of the command line and the local stack',
    about: 'Read by `./portarium`.',
    file: 'infra/local/src/environment.ts',
    schema: EnvironmentSchema,
  },
  {
    title: 'Of the Control Plane',
    about:
      'Read by `control/src/main.ts` in every role. `./portarium up` sets what connects the parts; of the others it passes on those that begin with `PORTARIUM_RATE_` or `OTEL_`, and `PORTARIUM_INSTANCE`.',
    file: 'control/src/configuration.ts',
    schema: ConfigurationSchema,
  },
  {
    title: 'Of a sandbox host',
    about: 'Read by `sandbox/src/main.ts serve`. `./portarium up` passes `PORTARIUM_CELLS` on.',
    file: 'sandbox/src/configuration.ts',
    schema: SandboxEnvironmentSchema,
  },
];

export function configurationPage(): string {
  return `# Configuration

${NOTICE}

Everything is configured by environment variables, each read and checked at the start: one that is missing or
wrong stops the process with its name. Options of commands come before variables.

${PARTS.map(partText).join('\n')}`;
}

function partText({ title, about, file, schema }: Part): string {
  const comments = commentsOf(readFileSync(join(root, file), 'utf8'));
  const rows = Object.entries(schema.entries).map(([name, entry]) => {
    const meaning = comments.get(name);
    if (meaning === undefined)
      throw new Error(`${file}: ${name} has no comment that says what it is`);
    return `| \`${name}\` | ${usualOf(entry)} | ${meaning} |`;
  });
  return `## ${title}\n\n${about}\n\n| Variable | Default | |\n|---|---|---|\n${rows.join('\n')}\n`;
}

function usualOf(entry: v.GenericSchema): string {
  const usual = v.getDefault(entry);
  if (usual !== undefined) return `\`${String(usual)}\``;
  return v.safeParse(entry, undefined).success ? '' : 'required';
}

/** The comment above each variable of the source, on one line. */
function commentsOf(source: string): ReadonlyMap<string, string> {
  const found = source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*([A-Z_]+):/g);
  return new Map(
    [...found].map(([, comment = '', name = '']) => [
      name,
      comment
        .replaceAll(/\s*\n\s*\*\s?/g, ' ')
        .trim()
        .replaceAll('|', '\\|'),
    ]),
  );
}
