/** `portarium key create|list|revoke`. Side effects: `create` and `revoke` change the workspace's keys. */
import { type Command, Option } from 'commander';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { keyId } from '../id-argument.ts';
import { print, printJson, table, tell } from '../output.ts';

const ROLES = ['admin', 'operator', 'approver', 'auditor', 'author', 'agent'] as const;

interface ScopeOptions extends ConnectionOptions {
  readonly instance?: true;
}

interface CreateOptions extends ConnectionOptions {
  readonly name: string;
  readonly owner: string;
  readonly role: (typeof ROLES)[number];
  readonly expiresAt?: string;
}

export function registerKey(program: Command): void {
  const key = program.command('key').description('create, list and revoke API keys');
  connectionOptions(
    key
      .command('create')
      .description('create a key; its secret is printed once, on standard output')
      .requiredOption('--name <name>', 'what the key is for')
      .requiredOption('--owner <person>', 'the person who answers for what it does')
      .addOption(new Option('--role <role>', 'what it may do').choices(ROLES).makeOptionMandatory())
      .option('--expires-at <time>', 'RFC 3339 time from which it is refused; never by default'),
  ).action(create);
  connectionOptions(
    key
      .command('list')
      .description('list keys, without secrets')
      .option('--instance', INSTANCE_TEXT),
  ).action(list);
  connectionOptions(
    key
      .command('revoke')
      .argument('<id>', 'key_…, as key list shows it', keyId)
      .description('refuse a key from now on')
      .option('--instance', INSTANCE_TEXT),
  ).action(revoke);
}

const INSTANCE_TEXT = 'those that are bound to no workspace; needs such an admin’s key';

function scopeOf({ instance }: ScopeOptions): { readonly instance: boolean } {
  return { instance: instance === true };
}

async function create(options: CreateOptions): Promise<void> {
  const { name, owner, role, expiresAt } = options;
  const created = await connect(options).keys.create({
    name,
    owner,
    role,
    ...(expiresAt === undefined ? {} : { expiresAt }),
  });
  if (options.json) return printJson(created);
  tell(`${created.id}  ${created.role}  ${created.name}. Keep the key; it is not shown again:`);
  print(created.key);
}

async function list(options: ScopeOptions): Promise<void> {
  const keys = await connect(options).keys.list(scopeOf(options));
  if (options.json) return printJson({ items: keys });
  const rows = keys.map((key) => [
    key.id,
    key.role,
    key.name,
    key.owner,
    key.revokedAt ? 'revoked' : key.expiresAt ? `until ${key.expiresAt}` : 'live',
    key.lastUsedAt ?? 'never used',
  ]);
  print(table([['ID', 'ROLE', 'NAME', 'OWNER', 'STATE', 'LAST USE'], ...rows]));
}

async function revoke(id: string, options: ScopeOptions): Promise<void> {
  await connect(options).keys.revoke(id, scopeOf(options));
  if (options.json) printJson({ id, revoked: true });
  else print(`${id}  revoked`);
}
