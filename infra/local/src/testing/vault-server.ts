/**
 * A real Vault on loopback for tests: the released core, HTTP API and key-value engine, built from Go
 * modules by a main of our own (`vault-server/main.go`), in memory. Its own command would bring half as
 * many packages again, for clouds that no test reaches.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { resolveServerBinary } from '../binaries/resolve-binary.ts';
import type { ServerBinary } from '../binaries/server-binary.ts';

export const VAULT_SERVER: ServerBinary = {
  name: 'vault-server',
  version: '1.21.4',
  pathVariable: 'PORTARIUM_VAULT_SERVER_BIN',
  versionPattern: /^vault-server 1\.21\.4$/m,
  goPackage: 'github.com/hashicorp/vault',
  goModule: 'github.com/hashicorp/vault',
  goFolder: fileURLToPath(new URL('vault-server', import.meta.url)),
  buildTakes: 'about 5 minutes on two cores, once',
  releases: {},
};

const InitSchema = v.object({ keys: v.tuple([v.string()]), root_token: v.string() });

export interface VaultServer extends AsyncDisposable {
  readonly url: string;
  readonly rootToken: string;
  /** Calls its API as root. Throws unless it answers with a status of 2xx. */
  call(method: string, path: string, body?: object): Promise<unknown>;
  unseal(): Promise<void>;
}

/** Starts one, initialised and unsealed, without any mount. @param tls paths of PEM files */
export async function startVaultServer(tls?: {
  readonly cert: string;
  readonly key: string;
  /** What callers in this process need to trust it, in PEM. */
  readonly authority: string;
}): Promise<VaultServer> {
  const { path } = await resolveServerBinary(VAULT_SERVER);
  const child = spawn(path, tls ? [tls.cert, tls.key] : [], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const url = `${tls ? 'https' : 'http'}://${await firstLine(child)}`;
  let rootToken = '';
  const call = async (method: string, where: string, body?: object): Promise<unknown> => {
    const response = await fetch(`${url}/v1/${where}`, {
      method,
      headers: { 'x-vault-token': rootToken },
      ...(body ? { body: JSON.stringify(body) } : {}),
      ...(tls ? { tls: { ca: tls.authority } } : {}),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${where}: ${response.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  };
  const made = await call('PUT', 'sys/init', { secret_shares: 1, secret_threshold: 1 });
  const init = v.parse(InitSchema, made);
  rootToken = init.root_token;
  const unseal = async () => {
    await call('PUT', 'sys/unseal', { key: init.keys[0] });
    // It takes a moment until it serves: 200 from then on.
    while (
      !(await call('GET', 'sys/health').then(
        () => true,
        () => false,
      ))
    )
      await sleep(20);
  };
  await unseal();
  return {
    ...{ url, rootToken, call, unseal },
    async [Symbol.asyncDispose]() {
      const gone = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGKILL');
      await gone;
    },
  };
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function firstLine(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error('the server has no output');
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error('the server ended before it listened');
}
