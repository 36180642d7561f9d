/** A workspace that writes its mark into every text, and knows what of its answers is its own. */
import type { TestInstance } from './test-instance.ts';
import { uploadForm } from './upload-form.ts';

/** Ids of what belongs to one workspace. Those of keys too: requests are made with keys of their own. */
const ID = /\b(?:act|att|apr|plg|pol|cred|hld|evt|key)_[0-9a-f]{32}\b/g;

/** What one workspace has of each kind, as it learned it from answers. */
export interface Known {
  readonly actions: string[];
  readonly waiting: { readonly id: string; readonly approval: string; readonly digest: string }[];
  readonly credentials: string[];
  readonly holds: string[];
  readonly keys: string[];
  readonly approvals: string[];
}

export interface Tenant {
  readonly id: string;
  readonly tier: 'A' | 'B' | 'C';
  /** In every text that it writes; no other's is part of it. */
  readonly mark: string;
  /** In every number that it writes. */
  readonly number: number;
  /** Keys bound to it, each of another person. */
  readonly key: string;
  readonly approver: string;
  readonly known: Known;
}

/** Makes keys and a plugin in a workspace that is there. */
export async function createTenant(
  instance: TestInstance,
  { id, tier, number }: Pick<Tenant, 'id' | 'tier' | 'number'>,
): Promise<Tenant> {
  const mark = `mark${number}x${id.replaceAll('-', '')}x`;
  const root = `/v1/workspaces/${id}`;
  const makeKey = async (role: string) => {
    const json = { name: `${mark} ${role}`, owner: `${role} of ${mark}`, role };
    const made = await instance.call('POST', `${root}/keys`, { role: 'admin', json });
    return ((await made.json()) as { key: string }).key;
  };
  const [key, approver] = [await makeKey('admin'), await makeKey('approver')];
  const pushed = await instance.call('POST', `${root}/plugins`, { key, body: uploadForm() });
  if (!pushed.ok) throw new Error(`${id} has no plugin: ${await pushed.text()}`);
  const known = { actions: [], waiting: [], credentials: [], holds: [], keys: [], approvals: [] };
  return { id, tier, mark, number, key, approver, known };
}

/** Judges answers by whose marks and ids they hold. An id is of the workspace that showed it first. */
export class Boundary {
  readonly #tenants: readonly Tenant[];
  readonly #owners = new Map<string, string>();
  readonly #common: ReadonlySet<string>;
  readonly found: string[] = [];
  /** Answers that held their own mark, by what was asked. */
  readonly marked = new Map<string, number>();

  /** @param common ids of the instance, that every workspace may see */
  constructor(tenants: readonly Tenant[], common: Iterable<string>) {
    this.#tenants = tenants;
    this.#common = new Set(common);
  }

  /** @param asked what the request itself named, and an error may repeat */
  judge(tenant: Tenant, kind: string, answer: string, asked: readonly string[] = []): void {
    const text = asked.reduce((rest, one) => rest.replaceAll(one, ''), answer);
    for (const other of this.#tenants) {
      if (other === tenant) continue;
      for (const mark of [other.mark, other.id, `secret-of-${other.mark}`]) {
        if (text.includes(mark)) this.#report(tenant, kind, `${mark} of ${other.id}`, text);
      }
    }
    for (const [id] of text.matchAll(ID)) {
      if (this.#common.has(id)) continue;
      const owner = this.#owners.get(id);
      if (owner === undefined) this.#owners.set(id, tenant.id);
      else if (owner !== tenant.id) this.#report(tenant, kind, `${id} of ${owner}`, text);
    }
    // A value that was written is in no answer, not even in the one of who wrote it.
    if (text.includes(`secret-of-${tenant.mark}`)) this.#report(tenant, kind, 'a secret', text);
    if (text.includes(tenant.mark)) this.marked.set(kind, (this.marked.get(kind) ?? 0) + 1);
  }

  #report(tenant: Tenant, kind: string, what: string, text: string): void {
    const at = text.indexOf(what.split(' ')[0] ?? what);
    this.found.push(
      `${tenant.id} asked for ${kind} and got ${what}: ${text.slice(Math.max(0, at - 200), at + 200)}`,
    );
  }
}
