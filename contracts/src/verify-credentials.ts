/**
 * Checks what a whole log says of credentials: each goes to the host that it was made for, none that was
 * revoked, and what people approved is the version that was there then.
 */
import type { Entry } from './evidence-entry.ts';
import { isAfter } from './verify-facts.ts';
import type { Findings, ReadEntry, Seen } from './verify-report.ts';

interface Credential {
  readonly host: string;
  revokedAt: string | undefined;
}

/** Runs over a whole log's signed entries, in their order. Logs that tell of no credential are older. */
export function checkCredentials(entries: readonly ReadEntry[], findings: Findings): void {
  const known = new Map<string, Credential>();
  for (const read of entries) {
    const { type, data, time } = read.entry;
    if (type.startsWith('credential.')) note(known, read.entry);
    if (type === 'egress.intended' && typeof data.credential === 'string') {
      use(known, findings.about(read), time);
    }
  }
}

function note(known: Map<string, Credential>, { type, data, time }: Entry): void {
  const id = String(data.credential);
  if (type === 'credential.created') {
    known.set(id, { host: String(data.host), revokedAt: undefined });
  } else if (type === 'credential.revoked') {
    const credential = known.get(id);
    if (credential) credential.revokedAt ??= time;
  }
}

function use(known: ReadonlyMap<string, Credential>, { entry, say }: Seen, time: string): void {
  if (known.size === 0) return;
  const { credential: id, host } = entry.data;
  const credential = known.get(String(id));
  if (!credential) {
    say('credential.unknown', 'goes with a credential that nobody created');
    return;
  }
  if (credential.host !== host) {
    say('credential.host', `goes with a credential for ${credential.host}, to ${String(host)}`);
  }
  if (credential.revokedAt !== undefined && isAfter(time, credential.revokedAt)) {
    say('credential.revoked', `goes with a credential that was revoked ${credential.revokedAt}`);
  }
}
