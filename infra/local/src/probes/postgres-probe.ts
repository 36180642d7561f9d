/**
 * Asks PostgreSQL whether it takes connections, with nothing but the first message of its protocol
 * (PostgreSQL documentation, "Message Formats", StartupMessage): a server that is ready asks for
 * authentication, one that starts up answers with an error. Needs no driver in the supervisor.
 */
import { connect } from 'node:net';

/** Protocol 3.0. */
const PROTOCOL = 196_608;

function startupMessage(user: string, database: string): Buffer {
  const fields = Buffer.from(`user\0${user}\0database\0${database}\0\0`, 'utf8');
  const head = Buffer.alloc(8);
  head.writeInt32BE(fields.length + 8, 0);
  head.writeInt32BE(PROTOCOL, 4);
  return Buffer.concat([head, fields]);
}

/**
 * The type of the first message that 127.0.0.1:`port` answers with: `R` asks for authentication,
 * `E` is an error (starting up, too many clients). `undefined` without an answer. Never rejects.
 */
export function probePostgres(
  port: number,
  user: string,
  database: string,
  timeoutMs = 2_000,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const finish = (answer?: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => finish(), timeoutMs);
    socket.once('connect', () => socket.write(startupMessage(user, database)));
    socket.once('data', (chunk: Buffer) => finish(String.fromCharCode(chunk[0] ?? 0)));
    socket.once('error', () => finish());
    socket.once('close', () => finish());
  });
}
