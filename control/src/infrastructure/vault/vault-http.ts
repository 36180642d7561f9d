/**
 * One exchange with a server that speaks Vault's HTTP API (HashiCorp Vault, OpenBao). Follows no redirect,
 * since the token would go along; never tells a token or a secret in an error.
 */
import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { plainText } from '@portarium/contracts/plain-text';
import { InfraError } from '../../application/ports/workspace-store.ts';

export interface VaultServerOptions {
  /** `https://host:port`; `http` to loopback only. */
  readonly address: string;
  /** Read anew for each call, so that whoever renews the token may replace it. */
  readonly tokenFile: string;
  readonly namespace?: string | undefined;
  /** Certificate authorities in PEM instead of the runtime's own. */
  readonly authority?: string | undefined;
  readonly timeoutMs?: number;
}

export interface VaultAnswer {
  readonly status: number;
  /** Undefined when the body was empty or no JSON. */
  readonly body: unknown;
}

/** @param path below `/v1/`, encoded */
export type VaultCall = (method: string, path: string, body?: object) => Promise<VaultAnswer>;

/** Rejects with a retryable `InfraError` when there is no whole answer in time. */
export function vaultCall(options: VaultServerOptions): VaultCall {
  const { address, tokenFile, namespace, authority: ca } = options;
  const { timeoutMs = PLATFORM_LIMITS.vaultTimeoutMs } = options;
  const secure = address.startsWith('https:');
  const agent = secure
    ? new HttpsAgent({ keepAlive: true, ca })
    : new HttpAgent({ keepAlive: true });
  return async (method, path, body) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      'x-vault-request': 'true',
      'x-vault-token': await readToken(tokenFile),
      ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
      ...(text === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
    };
    const signal = AbortSignal.timeout(timeoutMs);
    const { promise, resolve, reject } = Promise.withResolvers<VaultAnswer>();
    const send = secure ? httpsRequest : httpRequest;
    const outgoing = send(`${address}/v1/${path}`, { method, headers, agent, signal, ca });
    outgoing.on('error', reject);
    outgoing.on('response', (response) => receive(response).then(resolve, reject));
    outgoing.end(text);
    try {
      return await promise;
    } catch (error) {
      if (error instanceof InfraError) throw error;
      const why = signal.aborted ? `no answer in ${timeoutMs} ms` : reasonOf(error);
      throw new InfraError(`the vault at ${address} was not reached: ${why}`, { retryable: true });
    }
  };
}

async function receive(response: IncomingMessage): Promise<VaultAnswer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += (chunk as Uint8Array).length;
    if (size > PLATFORM_LIMITS.vaultAnswerBytes) {
      response.destroy();
      const most = PLATFORM_LIMITS.vaultAnswerBytes;
      throw new InfraError(`the vault answered with more than ${most} bytes`, { retryable: false });
    }
    chunks.push(chunk as Uint8Array);
  }
  const { statusCode: status = 0 } = response;
  try {
    return { status, body: JSON.parse(Buffer.concat(chunks).toString()) };
  } catch {
    return { status, body: undefined };
  }
}

async function readToken(file: string): Promise<string> {
  const token = await readFile(file, 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  const message = `${file} holds no token of the vault: expected one line of visible characters (PORTARIUM_VAULT_TOKEN_FILE)`;
  throw new InfraError(message, { retryable: false });
}

/** An answer that is no success, in words that say what to do. */
export function vaultProblem(
  { address, tokenFile }: VaultServerOptions,
  { status, body }: VaultAnswer,
  path: string,
): InfraError {
  const [said = ''] = errorsOf(body) ?? [];
  const told = said === '' ? '' : `: ${plainText(said.replaceAll(/\s+/g, ' '), 200).trim()}`;
  const problem = (text: string, retryable: boolean) =>
    new InfraError(`the vault at ${address} ${text}`, { retryable });
  if (status >= 300 && status < 400) {
    return problem(
      'is a standby that sends callers elsewhere; set PORTARIUM_VAULT_ADDR to the active node, or to an address that leads there',
      true,
    );
  }
  if (status === 472 || status === 473 || status === 429) {
    const what = status === 429 ? 'takes no more requests for now' : 'is a standby of its cluster';
    return problem(`${what} (status ${status})${told}`, true);
  }
  if (said.includes('sealed')) return problem('is sealed; unseal it', true);
  if (status === 403) {
    return problem(
      `refuses the token in ${tokenFile} for ${path}: renew it, give its policy what docs/how-to/keep-credentials-in-vault.md lists, or mount the engine, as it is the same answer when nothing is mounted there${told}`,
      false,
    );
  }
  // A mount that was made a moment ago is not ready at once.
  if (status === 412 || said.startsWith('Upgrading from non-versioned')) {
    return problem(`is not ready for ${path}${told}`, true);
  }
  if (status >= 500) return problem(`failed with status ${status}${told}`, true);
  if (body === undefined)
    return problem(`answered ${path} with status ${status} and no JSON: is it a vault?`, false);
  return problem(`answered ${path} with status ${status}${told}`, false);
}

/** What Vault says of a refusal; undefined when the answer is no refusal of its own. */
export function errorsOf(body: unknown): readonly string[] | undefined {
  if (typeof body !== 'object' || body === null || !('errors' in body)) return undefined;
  return Array.isArray(body.errors) ? body.errors.map(String) : undefined;
}

function reasonOf(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  return plainText(code ?? message ?? 'the connection failed', 200);
}
