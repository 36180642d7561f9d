/** Addresses of services that are handed secrets and evidence. */
import { InfraError } from '../application/ports/workspace-store.ts';

/**
 * The origin alone: what is sent there would travel in the clear over plain HTTP.
 * @param variable that the address comes from
 * @throws InfraError when it is not `https`, or `http` to loopback, or has more than an origin
 */
export function safeOrigin(variable: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const loopback = /^(127(\.\d+){3}|\[::1\]|localhost)$/.test(url?.hostname ?? '');
  const scheme = url?.protocol === 'https:' || (url?.protocol === 'http:' && loopback);
  if (url && scheme && url.pathname === '/' && !url.username && !url.search) return url.origin;
  const message = `${variable}: expected https://HOST:PORT without a path (http to loopback only)`;
  throw new InfraError(message, { retryable: false });
}
