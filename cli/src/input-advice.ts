/** What an operation takes, told when it was asked for with an input that it does not take. */
import type { PortariumClient } from '@portarium/client/portarium-client';
import { PortariumError } from '@portarium/client/portarium-error';
import { plainText } from '@portarium/contracts/plain-text';
import * as v from 'valibot';
import { AdvisedError } from './advised-error.ts';

const ManifestSchema = v.looseObject({
  operations: v.array(
    v.looseObject({
      name: v.string(),
      encoding: v.optional(v.string(), 'json'),
      input: v.optional(v.unknown()),
      examples: v.optional(v.array(v.looseObject({ input: v.unknown() })), []),
    }),
  ),
});
type Operation = v.InferOutput<typeof ManifestSchema>['operations'][number];

/** A schema may have 64 KiB; more than this says nothing at a terminal. */
const MAX_SCHEMA = 4_000;

interface Wanted {
  /** `name` or `name@version`. */
  readonly plugin: string;
  readonly operation: string;
}

/** @throws AdvisedError that names schema and example, when `ask` is refused for its input */
export async function withInputAdvice<T>(
  client: PortariumClient,
  wanted: Wanted,
  ask: () => Promise<T>,
): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const aboutInput =
      error instanceof PortariumError &&
      error.code === 'input.invalid' &&
      error.errors.some(({ pointer }) => /^\/input(\/|$)/.test(pointer));
    const advice = aboutInput ? await adviceOn(client, wanted) : undefined;
    throw advice === undefined ? error : new AdvisedError(error, advice);
  }
}

/** Of the current version, which is the only one that can be read; undefined when that is another. */
async function adviceOn(client: PortariumClient, wanted: Wanted): Promise<string | undefined> {
  const [name = '', version] = wanted.plugin.split('@');
  const plugin = await client.plugins.get(name).catch(() => undefined);
  const manifest = v.safeParse(ManifestSchema, plugin?.manifest);
  if (!manifest.success || (version !== undefined && version !== plugin?.version)) return undefined;
  const operation = manifest.output.operations.find((one) => one.name === wanted.operation);
  return operation && inputAdvice(wanted.plugin, operation);
}

/** The author of the plugin wrote schema and example: they are made safe to show. */
export function inputAdvice(plugin: string, operation: Operation): string {
  const { name, encoding, input, examples } = operation;
  const command = `portarium action run ${plugin} ${name}`;
  if (encoding !== 'json') {
    const how = encoding === 'text' ? '--text TEXT' : '--text BASE64';
    return `${name} takes ${encoding}: ${command} ${how}`;
  }
  const [example] = examples;
  return [
    ...(input === undefined
      ? []
      : [`${name} takes: ${plainText(JSON.stringify(input), MAX_SCHEMA)}`]),
    example === undefined
      ? `Give it so: ${command} --input JSON`
      : `An example: ${command} --input '${plainText(JSON.stringify(example.input), MAX_SCHEMA).replaceAll("'", "'\\''")}'`,
  ].join('\n');
}
