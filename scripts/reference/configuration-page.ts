/** `docs/reference/configuration.md`: every environment variable, from the schemas that read them. */
import { ConnectionVariablesSchema } from '@portarium/cli/connection-variables';
import { ConfigurationSchema } from '@portarium/control/configuration';
import { EnvironmentSchema } from '@portarium/local/environment';
import { SandboxEnvironmentSchema } from '@portarium/sandbox/configuration';
import * as v from 'valibot';
import { NOTICE } from './notice.ts';

interface Part {
  readonly title: string;
  readonly about: string;
  readonly entries: Readonly<Record<string, v.GenericSchema>>;
}

const PARTS: readonly Part[] = [
  {
    title: 'Of commands that talk to a Control Plane',
    about: 'Read by `./portarium`. Options come before them, and the running stack after them.',
    entries: ConnectionVariablesSchema.entries,
  },
  {
    title: 'Of the local stack',
    about: 'Read by `./portarium`.',
    entries: EnvironmentSchema.entries,
  },
  {
    title: 'Of the Control Plane',
    about:
      'Read by `control/src/main.ts` in every role. `./portarium up` sets what connects the parts; of the others it passes on those that begin with `PORTARIUM_RATE_` or `OTEL_`, `PORTARIUM_INSTANCE`, and those of an outer vault (`PORTARIUM_VAULT_ADDR` and what belongs to it).',
    entries: ConfigurationSchema.entries,
  },
  {
    title: 'Of a sandbox host',
    about:
      'Read by `sandbox/src/main.ts serve`. `./portarium up` passes on `PORTARIUM_CELLS`, `SANDBOX_REQUIRE_ISOLATION` and those that begin with `OTEL_`.',
    entries: SandboxEnvironmentSchema.entries,
  },
];

/** Names of all variables that are on the page. */
export function configurationVariables(): ReadonlySet<string> {
  return new Set(PARTS.flatMap(({ entries }) => Object.keys(entries)));
}

/** @throws Error that names a variable whose schema does not say what it is */
export function configurationPage(): string {
  return `# Configuration

${NOTICE}

Everything is configured by environment variables, each read and checked at the start: one that is missing or
wrong stops the process with its name. Options of commands come before variables.

${PARTS.map(partText).join('\n')}`;
}

function partText({ title, about, entries }: Part): string {
  const rows = Object.entries(entries).map(([name, entry]) => {
    const meaning = v.getDescription(entry);
    if (meaning === undefined) throw new Error(`${name} has no v.description that says what it is`);
    const cells = [`\`${name}\``, typeOf(entry), usualOf(entry), meaning.replaceAll('|', '\\|')];
    return `| ${cells.join(' | ')} |`;
  });
  return `## ${title}\n\n${about}\n\n| Variable | Type | Default | Meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`;
}

function usualOf(entry: v.GenericSchema): string {
  const usual = v.getDefault(entry);
  if (usual !== undefined) return `\`${String(usual)}\``;
  return v.safeParse(entry, undefined).success ? '' : 'required';
}

/** What its metadata says, else what its checks do. */
export function typeOf(entry: v.GenericSchema): string {
  const { type } = v.getMetadata(entry);
  if (typeof type === 'string') return type;
  const steps = [...stepsOf(entry)];
  for (const { options } of steps) {
    if (Array.isArray(options)) return options.map((option) => `\`${option}\``).join(' or ');
  }
  const [least, most] = ['min_value', 'max_value'].map(
    (name) => steps.find((step) => step.type === name)?.requirement,
  );
  return least === undefined ? 'text' : `number, ${least} to ${most}`;
}

interface Step {
  readonly type?: unknown;
  readonly options?: unknown;
  readonly requirement?: unknown;
}

/** A schema, what it wraps, and each step of its pipes. */
function* stepsOf(schema: object): Iterable<Step> {
  yield schema;
  if ('wrapped' in schema && typeof schema.wrapped === 'object' && schema.wrapped !== null) {
    yield* stepsOf(schema.wrapped);
  }
  if (!('pipe' in schema) || !Array.isArray(schema.pipe)) return;
  // The first step is the schema itself, without its pipe.
  for (const step of schema.pipe as readonly object[]) yield* stepsOf(step);
}
