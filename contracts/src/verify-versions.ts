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
  const known = new Set<string>();
  let demanded = false;
  let signed = 0;
  for (const read of entries) {
    const { entry } = read;
    const seen = findings.about(read);
    const { fingerprint, verifierKey } = entry.data as Partial<Signature>;
    if (entry.type === 'publisher.trusted') {
      if (known.has(String(fingerprint))) {
        seen.say('publisher.again', 'a key is trusted once, and a revoked one never again');
      }
      known.add(String(fingerprint));
      trusted.set(String(fingerprint), String(verifierKey));
    }
    if (entry.type === 'publisher.revoked') trusted.delete(String(fingerprint));
    if (entry.type === 'plugin-rules.changed') demanded = entry.data.signature === 'required';
    if (entry.type !== 'plugin.admitted') continue;
    const signature = entry.data.signature as Signature | undefined;
    if (demanded && !signature) {
      seen.say('signature.required', 'it bears no signature, and the workspace demanded one then');
    }
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

/** What a log has said of one plugin so far. */
interface Told {
  /** The module that each version was admitted with. */
  readonly versions: Map<string, unknown>;
  /** What was given at each revision; undefined where one version got everything. */
  readonly weights: Map<number, Weights | undefined>;
}

/**
 * What a whole log says of plugin versions holds together: a version is admitted once, an action runs the
 * module that its version was admitted with, and is drawn from weights that somebody gave. Who asks for an
 * action reads the versions before it is recorded, so a quarantine may stand between: it is not compared.
 */
export function checkVersions(entries: readonly ReadEntry[], findings: Findings): void {
  const plugins = new Map<string, Told>();
  for (const read of entries) {
    const seen = findings.about(read);
    const { type, data, subject } = read.entry;
    if (type === 'action.requested') checkAsked(seen, plugins.get(String(data.plugin)));
    // Logs of before say less of an admission.
    if (data.name === undefined) continue;
    const [name, version] = [String(data.name), String(data.version)];
    const told = plugins.get(name) ?? { versions: new Map(), weights: new Map() };
    if (type === 'plugin.admitted') {
      if (told.versions.has(version)) seen.say('version.again', 'a version is admitted once');
      told.versions.set(version, subject.plugin);
    } else if (type === 'plugin.current-set') {
      told.weights.set(Number(data.revision), data.weights as Weights | undefined);
    } else continue;
    plugins.set(name, told);
  }
}

function checkAsked({ entry, say }: Seen, told: Told | undefined): void {
  const { version, rollout } = entry.data as {
    version?: unknown;
    rollout?: { readonly weights: Weights; readonly revision: number };
  };
  const admitted = told?.versions.get(String(version));
  if (admitted !== undefined && admitted !== entry.subject.plugin) {
    say('version.digest', `version ${String(version)} was admitted with another module`);
  }
  if (!told || !rollout) return;
  const given = told.weights.get(Number(rollout.revision)) ?? {};
  // Those of versions that may not run are left out.
  const differ = Object.entries(rollout.weights ?? {}).some(([one, share]) => given[one] !== share);
  if (differ) say('rollout.weights', 'its weights are not those that somebody gave');
}
