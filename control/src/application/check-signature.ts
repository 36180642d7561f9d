/** Whether an upload bears the signature that its workspace asks for. One that is there has to be good. */
import { checkPluginSignature, type SignedPlugin } from '@portarium/contracts/plugin-signature';
import { verifierKey } from '@portarium/contracts/signed-note';
import { type Failure, failure } from './failure.ts';
import type { PluginSignature } from './ports/records.ts';
import type { PluginRules } from './ports/version-store.ts';
import type { ReadTransaction, WriteTransaction } from './ports/workspace-store.ts';

export type SignatureCheck =
  | { readonly ok: true; readonly signature: PluginSignature | null }
  | {
      readonly ok: false;
      /** As `plugin.rejected` names it. */
      readonly rule: string;
      readonly failure: Failure;
    };

const UNKNOWN_KEY =
  'it is by no key that this workspace trusts (portarium publisher list shows those)';

/** @param note as it was uploaded; undefined without one */
export async function checkSignature(
  tx: ReadTransaction,
  plugin: SignedPlugin,
  note: string | undefined,
): Promise<SignatureCheck> {
  if (note === undefined) return unsigned(await tx.pluginRules(), plugin);
  const publishers = await tx.listPublishers();
  const keys = publishers.map(({ verifierKey }) => verifierKey);
  const checked = await checkPluginSignature(note, plugin, keys);
  if (!checked.ok) {
    const unknown = checked.rule === 'signature.unknown-key';
    return refuse(checked.rule, unknown ? UNKNOWN_KEY : checked.message);
  }
  const signedWith = await verifierKey(checked.key.name, checked.key.publicKey);
  const publisher = publishers.find((one) => one.verifierKey === signedWith);
  if (publisher?.revokedAt !== null) return revoked(checked.key.name);
  const { name, fingerprint } = publisher;
  const signature = { publisher: name, fingerprint, verifierKey: signedWith, note };
  return { ok: true, signature };
}

function unsigned(
  { signature }: PluginRules,
  { name, version }: Pick<SignedPlugin, 'name' | 'version'>,
): SignatureCheck {
  if (signature === 'optional') return { ok: true, signature: null };
  const detail = `This workspace takes plugins that a trusted publisher signed, and ${name}@${version} bears no signature; nothing was stored.`;
  const refused = failure('plugin.signature-required', detail);
  return { ok: false, rule: 'signature.required', failure: refused };
}

/**
 * Holds the key until the commit, so that a revocation before it is seen, and one after it sees the version;
 * without a signature the workspace's demand for one.
 */
export async function holdKey(
  tx: WriteTransaction,
  plugin: Pick<SignedPlugin, 'name' | 'version'>,
  signature: PluginSignature | null,
): Promise<SignatureCheck> {
  if (signature === null) return unsigned(await tx.lockPluginRules(), plugin);
  const publisher = await tx.holdPublisher(signature.fingerprint);
  if (publisher?.revokedAt !== null) return revoked(signature.publisher);
  return { ok: true, signature };
}

function revoked(publisher: string): SignatureCheck {
  return refuse('signature.revoked', `the key of ${publisher} that made it was revoked`);
}

function refuse(rule: string, message: string): SignatureCheck {
  const refused = failure('plugin.signature-refused', `The signature is refused: ${message}.`, {
    errors: [{ pointer: '/signature', message }],
  });
  return { ok: false, rule, failure: refused };
}
