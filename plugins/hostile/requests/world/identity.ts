/** An authority of the private network and the certificate that its servers show. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Identity } from './listeners.ts';

/** Names that the certificate holds; every other name shows one that is not its own. */
const NAMES = ['api.example.com', 'other.example.com'];

export function makeIdentity(folder: string): Identity & { readonly authority: string } {
  const at = (name: string) => join(folder, name);
  const openssl = (...argv: string[]) => execFileSync('openssl', argv, { stdio: 'ignore' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(
    ...['req', '-x509', ...key, '-keyout', at('ca.key'), '-out', at('ca.pem')],
    ...['-days', '1', '-subj', '/CN=Corpus authority'],
  );
  openssl('req', ...key, '-keyout', at('key.pem'), '-out', at('csr.pem'), '-subj', '/CN=corpus');
  writeFileSync(at('names'), `subjectAltName=${NAMES.map((name) => `DNS:${name}`).join(',')}`);
  openssl(
    ...['x509', '-req', '-in', at('csr.pem'), '-CA', at('ca.pem'), '-CAkey', at('ca.key')],
    ...['-days', '1', '-extfile', at('names'), '-out', at('cert.pem')],
  );
  const read = (name: string) => readFileSync(at(name), 'utf8');
  return { key: read('key.pem'), cert: read('cert.pem'), authority: read('ca.pem') };
}
