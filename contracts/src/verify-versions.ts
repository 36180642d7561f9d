/** Checks what a log says of plugin versions: which one a rollout gave an action, and whose signatures they bear. */
import type { Digest } from './digest.ts';
import type { Entry } from './evidence-entry.ts';
import { checkPluginSignature, readPublisherKey } from './plugin-signature.ts';
import { drawVersion } from './rollout.ts';
import type { Findings, ReadEntry, Seen } from './verify-report.ts';
import type { Weights } from './weights.ts';

/** Of `action.requested`: anybody can draw as the Control Plane says it did. */
export async function checkDraw({ entry, say }: Seen): Promise<void> {
  const { rollout, plugin, version, idempotencyKey } = entry.data as {
    rollout?: { weights?: unknown };
    [name: string]: unknown;
  };
  if (entry.type !== 'action.requested' || rollout === undefined) return;
  const key = String(idempotencyKey ?? entry.subject.action);
  try {
    const draw = { workspace: entry.workspace, plugin: String(plugin), key };
    const drawn = await drawVersion(rollout.weights as Weights, draw);
    if (drawn === version) return;
    say('rollout.draw', `says version ${String(version)}; these weights give it ${drawn}`);
  } catch {
    // Weights of another shape are a finding of the entry itself.
  }
}

interface Signature {
  readonly publisher: string;
  readonly fingerprint: string;
  readonly verifierKey: string;
  readonly note: string;
}

/**
 * Every signature on record is by the key that it names, over the module and manifest of its version; in
 * a whole log that key was trusted then, and not revoked. With `publishers`, each version has to be
 * signed by one of those keys.
 * @param publishers texts of verifier keys that the auditor believes
 * @returns how many versions are signed, each of them well
 */
export async function checkSignatures(
  entries: readonly ReadEntry[],
  bundle: { readonly whole: boolean; readonly publishers: readonly string[] | undefined },
  findings: Findings,
): Promise<number> {
  const trusted = new Map<string, string>();
  let signed = 0;
  for (const read of entries) {
    const { entry } = read;
    const { fingerprint, verifierKey } = entry.data as Partial<Signature>;
    if (entry.type === 'publisher.trusted') trusted.set(String(fingerprint), String(verifierKey));
    if (entry.type === 'publisher.revoked') trusted.delete(String(fingerprint));
    if (entry.type !== 'plugin.admitted') continue;
    const seen = findings.about(read);
    const signature = entry.data.signature as Signature | undefined;
    if (signature && (await checkOne(seen, signature, bundle.whole ? trusted : undefined))) {
      signed++;
    }
    checkBelieved(seen, signature, bundle.publishers);
  }
  return signed;
}

async function checkOne(
  { entry, say }: Seen,
  signature: Signature,
  trusted: ReadonlyMap<string, string> | undefined,
): Promise<boolean> {
  const read = await readPublisherKey(String(signature.verifierKey));
  if (typeof read === 'string') {
    say('signature.key', read);
    return false;
  }
  if (read.fingerprint !== signature.fingerprint || read.key.name !== signature.publisher) {
    say('signature.key', 'the key is not the one whose name and fingerprint stand beside it');
    return false;
  }
  const checked = await checkPluginSignature(String(signature.note), pluginOf(entry), [
    signature.verifierKey,
  ]);
  if (!checked.ok) {
    say(checked.rule, checked.message);
    return false;
  }
  if (trusted && trusted.get(signature.fingerprint) !== signature.verifierKey) {
    say('signature.untrusted', `${signature.publisher}’s key was not trusted when it was admitted`);
    return false;
  }
  return true;
}

function pluginOf({ subject, data }: Entry) {
  return {
    name: String(data.name),
    version: String(data.version),
    digest: String(subject.plugin) as Digest,
    manifestDigest: String(data.manifestDigest) as Digest,
  };
}

/** Nothing contradicts itself when a version bears no signature that the auditor believes; it is lacking. */
function checkBelieved(
  { entry, lack }: Seen,
  signature: Signature | undefined,
  publishers: readonly string[] | undefined,
): void {
  if (publishers === undefined) return;
  if (signature && publishers.includes(signature.verifierKey)) return;
  const name = `${String(entry.data.name)}@${String(entry.data.version)}`;
  const why = signature ? 'is signed by another publisher’s key' : 'bears no signature';
  lack('signature.publisher', `${name} ${why}`);
}
