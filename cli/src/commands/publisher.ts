/**
 * `portarium publisher list|trust|revoke`: whose signatures over plugins the workspace trusts. Side effects:
 * `trust` and `revoke` change that; `revoke` may quarantine versions.
 */
import type { Publisher } from '@portarium/client/answers';
import { readPublisherKey } from '@portarium/contracts/plugin-signature';
import { type Command, Option } from 'commander';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { print, printJson, table, tell } from '../output.ts';
import { publisherName, readVerifierKey } from '../publisher-key.ts';
import { readArgument } from '../read-argument.ts';
import { UsageError } from '../usage-error.ts';

interface TrustOptions extends ConnectionOptions {
  readonly pem?: string;
  readonly name?: string;
}

interface RevokeOptions extends ConnectionOptions {
  readonly versions: 'keep' | 'quarantine';
  readonly rationale: string;
}

export function registerPublisher(program: Command): void {
  const publisher = program
    .command('publisher')
    .description('whose signatures over plugins the workspace trusts');
  connectionOptions(
    publisher.command('list').description('list the trusted keys, and those that were revoked'),
  ).action(list);
  connectionOptions(
    publisher
      .command('trust')
      .argument('[key]', 'verifier key (name+hash+base64), or @file with it')
      .description('trust the key of a publisher')
      .option('--pem <file>', 'instead: a public key in PEM, as openssl writes it')
      .option('--name <publisher>', 'with --pem: the publisher’s name', publisherName),
  ).action(trust);
  connectionOptions(
    publisher
      .command('revoke')
      .argument('<fingerprint>', 'of the key, as list shows it')
      .description('take no more plugins that this key signed')
      .addOption(
        new Option('--versions <fate>', 'what becomes of those that it signed and that run')
          .choices(['keep', 'quarantine'])
          .makeOptionMandatory(),
      )
      .requiredOption('--rationale <text>', 'why; it stands in the evidence'),
  ).action(revoke);
}

async function list(options: ConnectionOptions): Promise<void> {
  const items = await connect(options).publishers.list();
  if (options.json) return printJson({ items });
  print(table([['NAME', 'FINGERPRINT', 'TRUSTED', 'REVOKED'], ...items.map(row)]));
}

function row({ name, fingerprint, trustedAt, trustedBy, revokedAt, revokedBy }: Publisher) {
  const revoked = revokedAt === undefined ? '' : `${revokedAt} by ${revokedBy ?? '?'}`;
  return [name, fingerprint, `${trustedAt} by ${trustedBy}`, revoked];
}

async function trust(argument: string | undefined, options: TrustOptions): Promise<void> {
  const key = await keyOf(argument, options);
  const read = await readPublisherKey(key);
  if (typeof read === 'string') throw new UsageError(`That is no key of a publisher: ${read}.`);
  const publisher = await connect(options).publishers.trust(key);
  if (options.json) return printJson(publisher);
  print(`${publisher.name}  ${publisher.fingerprint}`);
  tell('To take nothing without a signature: portarium plugin-rules --signature required');
}

async function keyOf(argument: string | undefined, { pem, name }: TrustOptions): Promise<string> {
  if (argument !== undefined && pem === undefined && name === undefined) {
    return (await readArgument(argument)).trim();
  }
  if (argument === undefined && pem !== undefined && name !== undefined) {
    return readVerifierKey(pem, name);
  }
  throw new UsageError('Give either a verifier key, or --pem FILE and --name PUBLISHER.');
}

async function revoke(fingerprint: string, options: RevokeOptions): Promise<void> {
  const { versions, rationale } = options;
  const { publishers } = connect(options);
  const revoked = await publishers.revoke(fingerprint, { versions, rationale });
  if (options.json) return printJson(revoked);
  print(`${revoked.name}  ${revoked.fingerprint}  revoked`);
}
