/**
 * Asks a loopback HTTP server whether it is ready, over a bare socket: proxy settings of the
 * person's environment must not catch this.
 */
import { connect } from 'node:net';

export interface HttpAnswer {
  /** 0 when nothing answered. */
  readonly status: number;
  readonly body: string;
}

/** One GET with HTTP/1.0. Never rejects. */
export function probeHttp(port: number, path: string, timeoutMs = 2_000): Promise<HttpAnswer> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ host: '127.0.0.1', port });
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1];
      const bodyAt = text.indexOf('\r\n\r\n');
      resolve({
        status: status === undefined ? 0 : Number(status),
        body: bodyAt < 0 ? '' : text.slice(bodyAt + 4),
      });
    };
    const timer = setTimeout(finish, timeoutMs);
    socket.on('connect', () => {
      socket.write(`GET ${path} HTTP/1.0\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`);
    });
    socket.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString('utf8')).slice(0, 16_384);
    });
    socket.on('error', finish);
    socket.on('close', finish);
  });
}
