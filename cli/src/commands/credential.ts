/**
 * `portarium credential create|list|rotate|revoke`. Side effects: the workspace's credentials. A value
 * comes from a file, standard input or a hidden prompt, never from an argument, and is never shown.
 */
import type { Credential } from '@portarium/client/answers';
import type { PortariumClient } from '@portarium/client/portarium-client';
import {
  CREDENTIAL_KINDS,
  type CredentialKind,
  type CredentialPlacement,
  placedSchema,
  placementText,
} from '@portarium/contracts/credential-placement';
import { CredentialIdSchema } from '@portarium/contracts/ids';
import { type Command, Option } from 'commander';
import * as v from 'valibot';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { print, printJson, table, tell } from '../output.ts';
import { readSecret } from '../read-secret.ts';
import { UsageError } from '../usage-error.ts';

interface ValueOptions extends ConnectionOptions {
  readonly valueFile?: string;
}

interface CreateOptions extends ValueOptions {
  readonly host: string;
  readonly kind: CredentialKind;
  readonly username?: string;
  readonly header?: string;
  readonly parameter?: string;
}

export function registerCredential(program: Command): void {
  const credential = program
    .command('credential')
    .description('store, rotate and revoke the secrets that plugins use and never see');
  connectionOptions(
    credential
      .command('create')
      .argument('<name>', 'what plugins call the slot and rules name')
      .description('store a secret for one host')
      .requiredOption('--host <host>', 'the exact host that it may be sent to')
      .addOption(
        new Option('--kind <kind>', 'where it goes in a request')
          .choices(CREDENTIAL_KINDS)
          .default('bearer'),
      )
      .option('--username <name>', 'of kind basic: the user; the value is the password')
      .option('--header <name>', 'of kind header: the header that carries the value, as it is')
      .option('--parameter <name>', 'of kind query: the query parameter that carries the value')
      .addOption(valueOption()),
  ).action(create);
  connectionOptions(
    credential.command('list').description('list credentials, without their values'),
  ).action(list);
  connectionOptions(
    credential
      .command('rotate')
      .argument('<credential>', 'name or id')
      .description('put another value in the place of the one before')
      .addOption(valueOption()),
  ).action(rotate);
  connectionOptions(
    credential
      .command('revoke')
      .argument('<credential>', 'name or id')
      .description('destroy the secret; what needs it fails from now on'),
  ).action(revoke);
}

function valueOption(): Option {
  return new Option(
    '--value-file <file>',
    'file with the value, - for standard input (default: asks at a terminal, else standard input)',
  );
}

async function create(name: string, options: CreateOptions): Promise<void> {
  const { host, valueFile } = options;
  const place = placeOf(options);
  const client = connect(options);
  const value = await readSecret(valueFile);
  const created = await client.credentials.create({ name, host, ...place, value });
  if (options.json) return printJson(created);
  print(credentialLine(created));
  tell(
    `A plugin uses it where its own rule and the operator’s name it: "credential": "${created.name}".`,
  );
}

/** Which option names the place of each kind. */
const PLACE_OPTIONS = {
  bearer: undefined,
  basic: 'username',
  header: 'header',
  query: 'parameter',
} as const;

function placeOf({ kind, ...given }: CreateOptions): CredentialPlacement {
  const needed = PLACE_OPTIONS[kind];
  for (const option of ['username', 'header', 'parameter'] as const) {
    const value = given[option];
    if (option === needed && value === undefined) {
      throw new UsageError(`--kind ${kind} needs --${option}.`);
    }
    if (option !== needed && value !== undefined) {
      throw new UsageError(`--${option} does not go with --kind ${kind}: leave one of them out.`);
    }
  }
  const named = needed === undefined ? {} : { [needed]: given[needed] };
  const place = v.safeParse(placedSchema({}), { kind, ...named });
  if (place.success) return place.output;
  throw new UsageError(`--${needed}: ${place.issues[0].message}.`);
}

async function list(options: ConnectionOptions): Promise<void> {
  const credentials = await connect(options).credentials.list();
  if (options.json) return printJson({ items: credentials });
  const rows = credentials.map(
    ({ id, name, host, version, createdAt, rotatedAt, revokedAt, ...place }) => [
      id,
      name,
      host,
      placementText(place),
      String(version),
      revokedAt ? 'revoked' : 'live',
      rotatedAt ?? createdAt,
    ],
  );
  print(table([['ID', 'NAME', 'HOST', 'KIND', 'VERSION', 'STATE', 'SINCE'], ...rows]));
}

async function rotate(named: string, options: ValueOptions): Promise<void> {
  const client = connect(options);
  const value = await readSecret(options.valueFile);
  const rotated = await client.credentials.rotate(await credentialId(client, named), value);
  if (options.json) return printJson(rotated);
  print(credentialLine(rotated));
  tell('Approvals that wait for the version before are void.');
}

async function revoke(named: string, options: ConnectionOptions): Promise<void> {
  const client = connect(options);
  const id = await credentialId(client, named);
  await client.credentials.revoke(id);
  if (options.json) printJson({ id, revoked: true });
  else print(`${id}  revoked`);
}

/** A name stands for the live credential that bears it. */
async function credentialId(client: PortariumClient, named: string): Promise<string> {
  if (v.is(CredentialIdSchema, named)) return named;
  const all = await client.credentials.list();
  const live = all.find(({ name, revokedAt }) => name === named && !revokedAt);
  if (live) return live.id;
  throw new Error(
    `The workspace has no live credential ${JSON.stringify(named)}. Those that it has: portarium credential list.`,
  );
}

function credentialLine({ id, name, host, version, ...place }: Credential): string {
  return `${id}  ${name}  ${placementText(place)} for ${host}, version ${version}`;
}
