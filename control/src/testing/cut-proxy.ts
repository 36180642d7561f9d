/**
 * Stands between a client and an S3 server on loopback, and lets a test act at one point of the first request
 * whose request line it is looking for. Changes nothing of what passes. For tests only.
 */

import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

/**
 * `before` its first byte is forwarded; `during` its body, half of which is; when all of it is `sent`; at its
 * `answer`, which is not delivered.
 */
export type CutPoint = 'before' | 'during' | 'sent' | 'answer';

export interface CutProxy extends AsyncDisposable {
  readonly endpoint: string;
  /** Acts once, and cuts that connection when `act` is done. */
  cutAt(line: RegExp, point: CutPoint, act: () => Promise<unknown>): void;
}

interface Cut {
  readonly line: RegExp;
  readonly point: CutPoint;
  readonly act: () => Promise<unknown>;
}

export async function startCutProxy(target: string): Promise<CutProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let wanted: Cut | undefined;

  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    let cut: Cut | undefined;
    let over = false;
    let seen = 0;
    let whole = 0;
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        if (!over) other.destroy();
      });
    }
    const end = async ({ act }: Cut) => {
      over = true;
      await act();
      client.destroy();
      upstream.destroy();
    };
    client.on('data', (chunk: Buffer) => {
      if (over) return;
      if (cut === undefined && wanted) {
        const head = chunk.toString('latin1');
        if (wanted.line.test(head.slice(0, head.indexOf('\r\n')))) {
          cut = wanted;
          wanted = undefined;
          const body = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
          whole = head.indexOf('\r\n\r\n') + 4 + body;
          seen = 0;
        }
      }
      if (cut === undefined) return void upstream.write(chunk);
      if (cut.point === 'before') return void end(cut);
      const most = cut.point === 'during' ? whole >> 1 : whole;
      const part = chunk.subarray(0, Math.max(0, most - seen));
      seen += part.length;
      const now = cut;
      // On the way to the server before anybody acts.
      upstream.write(part, () => {
        if (!over && seen >= most && now.point !== 'answer') void end(now);
      });
    });
    upstream.on('data', (chunk: Buffer) => {
      if (over) return;
      if (cut?.point === 'answer' && seen >= whole) return void end(cut);
      client.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cutAt(line, point, act) {
      wanted = { line, point, act };
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
