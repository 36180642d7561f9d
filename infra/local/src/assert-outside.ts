/** Looks whether an address for other machines can be served, before anything is started for it. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { LocalStackError, messageOf } from './local-stack-error.ts';
import { type Outside, whereOf } from './outside.ts';

const WHY: Readonly<Record<string, string>> = {
  EADDRINUSE: 'it is taken. Stop what listens there, or choose another port',
  EACCES:
    'this user may not. Ports below 1024 are for root: choose another, or let systemd give the right (AmbientCapabilities=CAP_NET_BIND_SERVICE)',
  EADDRNOTAVAIL: 'this machine has no such address. 0.0.0.0 and [::] stand for all that it has',
  ENOTFOUND: 'there is no such name. Name an address of this machine',
};

/** @throws LocalStackError that says what is wrong with the certificate, its key, or the address */
export async function assertOutside(outside: Outside): Promise<void> {
  if (outside.tls !== undefined) assertCertificate(outside.tls);
  const code = await listenError(outside);
  if (code === undefined) return;
  throw new LocalStackError(
    code === 'EADDRINUSE' ? 'port-taken' : 'usage',
    `${outside.listen} can not be listened on: ${WHY[code] ?? code}.`,
  );
}

function assertCertificate({ certFile, keyFile }: NonNullable<Outside['tls']>): void {
  const certificate = parsed(certFile, 'a certificate', (pem) => new X509Certificate(pem));
  const key = parsed(keyFile, 'a private key without a password', (pem) => createPrivateKey(pem));
  if (certificate.checkPrivateKey(key)) return;
  throw new LocalStackError(
    'usage',
    `${keyFile} is not the key of the first certificate in ${certFile}. The server’s own certificate stands first, then those that vouch for it.`,
  );
}

function parsed<T>(file: string, what: string, parse: (pem: Buffer) => T): T {
  try {
    return parse(readFileSync(file));
  } catch (error) {
    const why = messageOf(error);
    throw new LocalStackError('usage', `${file} is not ${what} in PEM: ${why}.`);
  }
}

/** The system's code for why nobody can listen there. */
function listenError(outside: Outside): Promise<string | undefined> {
  const { hostname, port } = whereOf(outside);
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host: hostname, port, exclusive: true }, () => {
      server.close(() => resolve(undefined));
    });
  });
}
