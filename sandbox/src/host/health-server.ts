/** `/livez`, `/readyz` and `/healthz` on loopback: small, without secrets, never cached. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Health {
  readonly ready: boolean;
  /** Why not; empty when ready. */
  readonly reasons: readonly string[];
  readonly details: Readonly<Record<string, unknown>>;
}

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

/** @param port 0 for any free one */
export async function startHealthServer(port: number, health: () => Health): Promise<HealthServer> {
  const server = createServer((request, response) => {
    const { ready, reasons, details } = health();
    const path = (request.url ?? '').split('?')[0];
    const answers: Readonly<Record<string, readonly [number, object]>> = {
      '/livez': [200, { alive: true }],
      '/readyz': [ready ? 200 : 503, { ready, reasons }],
      '/healthz': [ready ? 200 : 503, { ready, reasons, ...details }],
    };
    const [status, body] = answers[path ?? ''] ?? [404, { code: 'not-found' }];
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(`${JSON.stringify(body)}\n`);
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(port, '127.0.0.1', resolve);
  await promise;
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      return closed.promise;
    },
  };
}
