/**
 * Credentials in the key-value engine, version 2, of Vault or OpenBao: each version of a credential is a
 * secret of its own, written once (check-and-set 0) and, to be forgotten, deleted with its metadata.
 * Nothing but Portarium writes below the prefix.
 */
import { readFile } from 'node:fs/promises';
import type { CredentialId, WorkspaceId } from '@portarium/contracts/ids';
import * as v from 'valibot';
import type { SecretName, Vault } from '../../application/ports/vault.ts';
import { InfraError } from '../../application/ports/workspace-store.ts';
import { safeOrigin } from '../safe-origin.ts';
import { errorsOf, type VaultServerOptions, vaultCall, vaultProblem } from './vault-http.ts';

export interface KvVaultOptions extends Omit<VaultServerOptions, 'authority'> {
  /** Path of the engine, such as `secret`. */
  readonly mount: string;
  /** Path within it that is Portarium's. */
  readonly prefix: string;
  readonly authorityFile?: string | undefined;
}

const MountSchema = v.object({
  data: v.object({
    type: v.string(),
    options: v.nullish(v.object({ version: v.optional(v.string()) })),
  }),
});
const WrittenSchema = v.object({ data: v.object({ version: v.literal(1) }) });
const SecretSchema = v.object({
  data: v.object({ data: v.strictObject({ value: v.pipe(v.string(), v.base64()) }) }),
});
/** Of a version that was deleted or destroyed; the answer is 404. */
const DeletedSchema = v.object({ data: v.object({ data: v.null() }) });
const ListSchema = v.object({ data: v.object({ keys: v.array(v.string()) }) });

/** @throws InfraError when the server, its token or its engine can not be used */
export async function openKvVault(given: KvVaultOptions): Promise<Vault> {
  const options = {
    ...given,
    address: safeOrigin('PORTARIUM_VAULT_ADDR', given.address),
    authority: given.authorityFile && (await readFile(given.authorityFile, 'utf8')),
  };
  const call = vaultCall(options);
  const problem = (answer: Parameters<typeof vaultProblem>[1], path: string) =>
    vaultProblem(options, answer, path);
  const mount = encodePath(options.mount);
  const folder = (workspace: WorkspaceId, credential: CredentialId) =>
    encodePath(`${options.prefix}/workspaces/${workspace}/credentials/${credential}`);
  const dataOf = ({ workspace, credential, version }: SecretName) =>
    `${mount}/data/${folder(workspace, credential)}/${version}`;

  const vault: Vault = {
    kind: 'key-value',
    async put(name, secret) {
      const path = dataOf(name);
      const data = { value: Buffer.from(secret).toString('base64') };
      const answer = await call('POST', path, { options: { cas: 0 }, data });
      if (answer.status === 200 && v.is(WrittenSchema, answer.body)) return;
      if (answer.status === 400 && errorsOf(answer.body)?.[0]?.startsWith('check-and-set')) {
        throw new Error(`the vault holds ${path} already, or held it and has it marked as deleted`);
      }
      throw problem(answer, path);
    },
    async get(name) {
      const path = dataOf(name);
      const answer = await call('GET', path);
      if (answer.status === 404 && isNothing(answer.body)) return undefined;
      if (answer.status !== 200 || answer.body === undefined) throw problem(answer, path);
      const found = v.safeParse(SecretSchema, answer.body);
      if (found.success) return new Uint8Array(Buffer.from(found.output.data.data.value, 'base64'));
      const message = `the vault holds something else at ${path}: nobody but Portarium may write there`;
      throw new InfraError(message, { retryable: false });
    },
    async destroy(workspace, credential) {
      const path = `${mount}/metadata/${folder(workspace, credential)}`;
      const answer = await call('GET', `${path}/?list=true`);
      if (answer.status === 404 && isNothing(answer.body)) return;
      if (answer.status !== 200 || !v.is(ListSchema, answer.body)) throw problem(answer, path);
      await Promise.all(
        answer.body.data.keys.map(async (version) => {
          const one = `${path}/${encodePath(version)}`;
          const gone = await call('DELETE', one);
          if (gone.status !== 204) throw problem(gone, one);
        }),
      );
    },
    async ping() {
      const path = `sys/internal/ui/mounts/${mount}`;
      const answer = await call('GET', path);
      if (answer.status !== 200) throw problem(answer, path);
      const found = v.safeParse(MountSchema, answer.body);
      const { type, options: tuned } = found.success ? found.output.data : { type: '?' };
      if (type === 'kv' && tuned?.version === '2') return;
      const message = `the engine at ${options.mount} is not key-value version 2 (it is ${type} ${tuned?.version ?? ''}): name another by PORTARIUM_VAULT_MOUNT`;
      throw new InfraError(message, { retryable: false });
    },
  };
  await vault.ping();
  return vault;
}

/** A 404 of an engine that is there: an empty list of errors, or a version that is marked as deleted. */
function isNothing(body: unknown): boolean {
  return errorsOf(body)?.length === 0 || v.is(DeletedSchema, body);
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
