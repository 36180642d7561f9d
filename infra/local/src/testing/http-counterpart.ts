/** A small HTTP server on loopback that tests let plugins call. Counts what it was asked. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Counterpart extends AsyncDisposable {
  readonly port: number;
  /** Paths in the order they were asked for. */
  readonly asked: readonly string[];
}

/** `/slow/N` answers after N milliseconds, `/redirect/URL-in-base64` with a 302, every other path at once. */
export async function startCounterpart(): Promise<Counterpart> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const target = /^\/redirect\/(.+)$/.exec(request.url ?? '')?.[1];
    if (target !== undefined) {
      response.writeHead(302, { location: atob(target) }).end();
      return;
    }
    const delayMs = Number(/^\/slow\/(\d+)$/.exec(request.url ?? '')?.[1] ?? 0);
    setTimeout(() => response.end(JSON.stringify({ path: request.url })), delayMs);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
