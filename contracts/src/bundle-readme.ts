/** The README of an exported bundle: tells a stranger how to check it without trusting us. */
import type { BundleRequest } from './bundle-layout.ts';

export function bundleReadme(about: {
  readonly instance: string;
  readonly workspace: string;
  readonly asked: BundleRequest;
  readonly entries: number;
  readonly omitted: number;
}): string {
  const { action, from, to } = about.asked;
  const part =
    action !== undefined
      ? `action ${action}`
      : from !== undefined
        ? `entries ${from} to ${to}, in whole entry bundles of 256, of the evidence log`
        : 'the whole evidence log';
  const subject = `${part} of workspace "${about.workspace}"`;
  return `Evidence of Portarium
=====================

This is ${subject},
instance "${about.instance}": ${about.entries} entries. ${about.omitted} artifacts that entries name were left out.
Log origin: ${about.instance}/${about.workspace}

Check it, offline
-----------------
  portarium evidence verify BUNDLE.tar --pin "VERIFIER KEY"

Get the verifier key from the instance's operator by a way that you trust, not from this bundle:
log/vkeys and keys.json are for convenience and prove nothing. Keep log/checkpoint; next time give it
with --since, so that a log which was cut or rewritten in between is found.
Exit codes: 0 verified, 1 falsified or incomplete, 2 unreadable, 3 consistent but no key pinned.

Check it by hand
----------------
Every format is public.
- An entry is one JSON object in canonical form (RFC 8785); its exact bytes count.
  Its hash is SHA-256 of the byte 00 and those bytes (the leaf hash of RFC 6962):
    (printf '\\000'; cat ENTRY) | sha256sum
  "prev" is the hash of the entry before, null at 0; "actionPrev" that of the action's entry before.
- A whole log lies as C2SP tlog-tiles (https://c2sp.org/tlog-tiles): log/tile/entries/... holds the
  entries (each behind its length, 2 bytes, big-endian), log/tile/0/... their hashes, log/tile/1/...
  the hashes of full tiles. Partial ones end in .p/<width>.
- A range lies there, too, in whole entry bundles, with the tiles over it and the partial tile at the right
  edge of each level, from which the root follows. What began before the range is told in part.
- One action's entries lie in log/entry/<seq>.json, each with its proof of inclusion in
  log/proof/<seq>.tlog-proof (https://c2sp.org/tlog-proof). So do, beside a range, later ones that say that
  artifacts of it were disposed of.
- log/checkpoint is a checkpoint (https://c2sp.org/tlog-checkpoint) as a signed note
  (https://c2sp.org/signed-note, Ed25519): origin, size, Merkle root. Go's
  golang.org/x/mod/sumdb/note opens it. Entries at or beyond its size are not signed yet.
- log/rotations.json, when there is one, holds every handover of the signing key: entries of the instance's own
  log in which the old key and the new one sign a note about each other, with their proofs under a checkpoint of
  that log. Whoever pinned an older key gets to the newest by them; keys.json is a list, and proves nothing.
- The first entry of an action names its order (application/vnd.portarium.order+json): plugin, module that
  ran, operation, contract, limits, seed and start of the clock. "contractDigest" is the SHA-256 of the
  canonical form of [contract.plugin, contract.operator, contract.networks, contract.approval].
- approval.requested names the statement that people agreed to, canonical JSON. "approvalDigest" is the
  SHA-256 of a context line and those bytes:
    (printf 'portarium/approval/v1\\n'; cat STATEMENT) | sha256sum
- attempt.finished names the action's journal so far, a JSON array of all its calls, each with the digests of
  request and response, and a tar of the bodies that were read. Every write also stands in the log as
  egress.intended, made durable before it was sent, and egress.answered.
- artifacts/sha256/<hex> and plugins/<hex>.wasm are named by the SHA-256 of their bytes.
- manifest.json lists every other file with its SHA-256. It is not signed.
`;
}
