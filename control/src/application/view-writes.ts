/** The writes of a dry run, as people and machines see what would be sent. */
import type { Digest } from '@portarium/contracts/digest';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { ShownContract } from '@portarium/contracts/verify-contract';
import type { Context } from './context.ts';
import type { ActionRecord } from './ports/records.ts';

/** A URL and headers come from a plugin: whoever shows them makes them safe to show. */
export interface WriteView {
  readonly call: number;
  readonly rule?: string;
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The credential that the broker would set. */
  readonly credential?: string;
  /** The plugin’s name for it. */
  readonly slot?: string;
  /** Absent without one. Bytes that are UTF-8 are `text`; of a large one, the first only. */
  readonly body?: {
    readonly digest: Digest;
    readonly bytes: number;
    readonly text?: string;
    readonly base64?: string;
    readonly cut?: true;
  };
  /** What the example answered; absent where none did, which ended the dry run. */
  readonly status?: number;
}

/** Bytes of a body that are shown; the artifact has all. */
const MOST_SHOWN = 64 * 1024;

export async function viewWrites(
  context: Pick<Context, 'objects' | 'store'>,
  workspace: WorkspaceId,
  { id, contract }: Pick<ActionRecord, 'id' | 'contract'>,
): Promise<readonly WriteView[]> {
  const journal = await context.store.read(workspace, (tx) => tx.listJournal(id));
  const shown = new ShownContract(contract);
  const writes: WriteView[] = [];
  for (const { record } of journal) {
    const { call, rule, method, credential, status, request } = record;
    if (record.verdict !== 'withheld' || !request) continue;
    const { url, headers, bodyDigest } = request;
    const slot = shown.rules(rule)?.plugin.credential;
    const bytes =
      bodyDigest === null ? undefined : await context.objects.get(workspace, bodyDigest);
    writes.push({
      call,
      ...(rule === undefined ? {} : { rule }),
      ...{ method, url, headers },
      ...(credential === undefined ? {} : { credential }),
      ...(slot === undefined ? {} : { slot }),
      ...(bodyDigest === null || !bytes ? {} : { body: bodyView(bodyDigest, bytes) }),
      ...(status === undefined ? {} : { status }),
    });
  }
  return writes;
}

function bodyView(digest: Digest, bytes: Uint8Array): NonNullable<WriteView['body']> {
  const shown = bytes.subarray(0, MOST_SHOWN);
  const size = { digest, bytes: bytes.length };
  const cut = shown.length < bytes.length ? ({ cut: true } as const) : {};
  try {
    // A character that the cut went through is no reason to show none: it is left out.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    return { ...size, text: text.decode(shown, { stream: 'cut' in cut }), ...cut };
  } catch {
    return { ...size, base64: Buffer.from(shown).toString('base64'), ...cut };
  }
}
