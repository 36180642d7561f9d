/** An authority of the private network and the certificates that its servers show. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

export interface Identity {
  /** Shown to every name but those of `others`. */
  readonly own: Certificate;
  readonly others: Readonly<Record<string, Certificate>>;
}

/** Names that the own certificate holds; every other name is shown one that is not its own. */
const NAMES = ['api.example.com', 'other.example.com', 'good.tls.example.com'];
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'] as const;

/** Leaves the authority of the own certificate in `ca.pem` of the folder. */
export function makeIdentity(folder: string): Identity {
  const at = (name: string) => join(folder, name);
  const authority = (name: string) => {
    const files = ['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)];
    openssl('req', '-x509', ...KEY, ...files, '-days', '2', '-subj', `/CN=Corpus ${name}`);
  };
  const issue = (name: string, by: string, names: readonly string[], days = 1) => {
    const [key, request, cert] = [at(`${name}-key.pem`), at(`${name}.csr`), at(`${name}-cert.pem`)];
    openssl('req', ...KEY, '-keyout', key, '-out', request, '-subj', '/CN=corpus');
    const extensions = at(`${name}.ext`);
    writeFileSync(extensions, `subjectAltName=${names.map((each) => `DNS:${each}`).join(',')}`);
    openssl(
      ...['x509', '-req', '-in', request, '-CA', at(`${by}.pem`), '-CAkey', at(`${by}.key`)],
      ...['-extfile', extensions, '-out', cert, '-days', String(days)],
    );
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  };
  authority('ca');
  authority('stranger');
  const [stranger, old] = ['stranger.tls.example.com', 'old.tls.example.com'];
  return {
    own: issue('own', 'ca', NAMES),
    others: {
      [stranger]: issue('stranger-own', 'stranger', [stranger]),
      [old]: issue('old', 'ca', [old], -1),
    },
  };
}

function openssl(...argv: string[]): void {
  execFileSync('openssl', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
}
