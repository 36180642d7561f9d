/**
 * Checks what a whole log says of plugin versions: nothing runs that was not admitted, that was refused or
 * waits for people, or that is quarantined; and a version that could do more than those before it was
 * agreed to by as many people as had to. That a version is admitted once, and runs its module, is
 * `verify-versions.ts`'s.
 */
import * as v from 'valibot';
import {
  type GrowthStatement,
  GrowthStatementSchema,
  growthDigest,
  growthLine,
  growthOf,
} from './contract-growth.ts';
import type { Digest } from './digest.ts';
import type { Entry } from './evidence-entry.ts';
import { type Manifest, ManifestSchema } from './manifest.ts';
import type { BundleArtifacts } from './verify-artifacts.ts';
import { readCanonical } from './verify-entries.ts';
import type { Findings, ReadEntry, Seen } from './verify-report.ts';

/**
 * Which version an action runs is read before the request is on record, with writes to the evidence store in
 * between: a quarantine may stand between them. No request is under way for so long.
 */
const REQUEST_MS = 10 * 60_000;

interface Version {
  readonly digest: string;
  /** Absent in older logs. */
  readonly manifestDigest: string | undefined;
  state: 'active' | 'pending' | 'denied';
  quarantinedAt: string | undefined;
  /** Who agreed to its growth, by the digest that they agreed to. */
  readonly agreed: Map<unknown, Set<unknown>>;
}

export class PluginsCheck {
  readonly #artifacts: BundleArtifacts;
  /** By `name@version`. */
  readonly #versions = new Map<string, Version>();
  /** Digests of all modules that were admitted, also by entries that name no version. */
  readonly #admitted = new Set<string>();
  readonly #manifests = new Map<string, Manifest | undefined>();

  constructor(artifacts: BundleArtifacts) {
    this.#artifacts = artifacts;
  }

  /** @param next the entry behind it, which an admission that asks people is followed by */
  async see(seen: Seen, next: Entry | undefined): Promise<void> {
    const { type } = seen.entry;
    if (type === 'action.requested') this.#runs(seen);
    else if (type === 'plugin.admitted') await this.#admit(seen, next);
    else if (type.startsWith('plugin.')) await this.#told(seen);
  }

  #of({ data }: Entry): Version | undefined {
    return this.#versions.get(nameOf(data));
  }

  /** An action asks for a version. */
  #runs({ entry, say }: Seen): void {
    const { subject, data, time } = entry;
    // Older actions do not say which module they run.
    if (subject.plugin === undefined) return;
    const name = `${String(data.plugin)}@${String(data.version)}`;
    const version = this.#versions.get(name);
    if (!version) {
      if (this.#admitted.has(subject.plugin)) return;
      say('version.admitted', `${name} runs, and nothing says that it was admitted`);
      return;
    }
    if (version.state !== 'active') {
      const why = version.state === 'denied' ? 'was denied' : 'waits for approval';
      say('version.approved', `${name} runs, and it could do more than before and ${why}`);
    }
    const { quarantinedAt } = version;
    if (quarantinedAt !== undefined && Date.parse(time) > Date.parse(quarantinedAt) + REQUEST_MS) {
      say('version.quarantined', `${name} runs, and it was quarantined ${quarantinedAt}`);
    }
  }

  async #admit(seen: Seen, next: Entry | undefined): Promise<void> {
    const { subject, data } = seen.entry;
    this.#admitted.add(String(subject.plugin));
    if (data.name === undefined || data.version === undefined) return;
    const name = nameOf(data);
    const asked = next?.type === 'plugin.approval-requested' && nameOf(next.data) === name;
    if (!asked) await this.#checkUnasked(seen);
    this.#versions.set(name, {
      digest: String(subject.plugin),
      manifestDigest: data.manifestDigest as string | undefined,
      state: asked ? 'pending' : 'active',
      quarantinedAt: undefined,
      agreed: new Map(),
    });
  }

  /** Nobody was asked: then it can do no more than one of those that could run then. */
  async #checkUnasked({ entry, say }: Seen): Promise<void> {
    const after = this.#manifest(entry.data.manifestDigest);
    const prefix = `${String(entry.data.name)}@`;
    const grew: string[] = [];
    for (const [name, { state, manifestDigest }] of this.#versions) {
      if (!name.startsWith(prefix) || state !== 'active') continue;
      const before = this.#manifest(manifestDigest);
      if (!before || !after) return;
      const [growth] = growthOf(before, after);
      if (!growth) return;
      grew.push(`${name}: ${growthLine(growth)}`);
    }
    if (grew.length === 0) return;
    say('version.approved', `it could do more than ${grew.at(-1)}, and nobody was asked`);
  }

  /** Something was decided about a version. */
  async #told(seen: Seen): Promise<void> {
    const { entry, say } = seen;
    const { type, data, time } = entry;
    const version = this.#of(entry);
    if (!version) return;
    if (type === 'plugin.quarantined') version.quarantinedAt ??= time;
    else if (type === 'plugin.quarantine-lifted') version.quarantinedAt = undefined;
    if (data.growthDigest === undefined) return;
    if (version.digest !== entry.subject.plugin) {
      say('version.agrees', `is about another module than ${nameOf(data)} was admitted with`);
    }
    await this.#checkGrowth(seen, version);
    if (type === 'plugin.approval-requested') return;
    if (version.state !== 'pending') {
      say(
        'version.approved',
        `${type} of a version that nobody had to approve, or that was decided`,
      );
    }
    const people = version.agreed.get(data.growthDigest) ?? new Set();
    if (people.has(data.by)) say('version.quorum', 'one person decided twice');
    version.agreed.set(data.growthDigest, people.add(data.by));
    if (type === 'plugin.denied') version.state = 'denied';
    if (type !== 'plugin.approved') return;
    version.state = 'active';
    if (people.size < Number(data.quorum)) {
      say('version.quorum', `approved by ${people.size} people, and ${data.quorum} had to agree`);
    }
  }

  /** What people saw is what the two manifests give. */
  async #checkGrowth({ entry, say, lack }: Seen, version: Version): Promise<void> {
    const { data } = entry;
    const from = data.from as GrowthStatement['from'] | undefined;
    // Then a finding says that this is no data of such an entry.
    if (typeof from !== 'object' || from === null) return;
    const [before, after] = [
      this.#manifest(from.manifestDigest),
      this.#manifest(version.manifestDigest),
    ];
    if (!before || !after) {
      lack('version.omitted', 'the manifests that were compared were left out of this bundle');
      return;
    }
    const told = this.#versions.get(`${String(data.name)}@${from.version}`);
    if (told?.manifestDigest !== from.manifestDigest || told.digest !== from.digest) {
      say('version.agrees', 'was compared with a version that was not admitted like that');
    }
    const growth = growthOf(before, after);
    const statement = v.safeParse(GrowthStatementSchema, {
      ...{ v: 1, workspace: entry.workspace, plugin: data.name, version: data.version },
      ...{ digest: version.digest, manifestDigest: version.manifestDigest, from, growth },
    });
    if (!statement.success || (await growthDigest(statement.output)) !== data.growthDigest) {
      say('version.growth', 'its growthDigest is not that of what the two manifests give');
    }
    if (entry.type !== 'plugin.approval-requested') return;
    const lines = growth.map(({ kind, name }) => `${kind} ${name}`);
    if (JSON.stringify(lines) !== JSON.stringify(data.growth)) {
      say('version.growth', 'names another growth than the two manifests give');
    }
  }

  #manifest(digest: unknown): Manifest | undefined {
    if (typeof digest !== 'string') return undefined;
    if (this.#manifests.has(digest)) return this.#manifests.get(digest);
    const bytes = this.#artifacts.find(digest as Digest);
    const read = typeof bytes === 'string' ? undefined : readCanonical(bytes);
    const parsed = read?.ok ? v.safeParse(ManifestSchema, read.value) : undefined;
    const manifest = parsed?.success ? parsed.output : undefined;
    this.#manifests.set(digest, manifest);
    return manifest;
  }
}

function nameOf(data: Entry['data']): string {
  return `${String(data.name)}@${String(data.version)}`;
}

/** Runs over a whole log's signed entries, in their order. */
export async function checkPlugins(
  entries: readonly ReadEntry[],
  artifacts: BundleArtifacts,
  findings: Findings,
): Promise<void> {
  const check = new PluginsCheck(artifacts);
  for (const [i, read] of entries.entries()) {
    const { type } = read.entry;
    if (type !== 'action.requested' && !type.startsWith('plugin.')) continue;
    await check.see(findings.about(read), entries[i + 1]?.entry);
  }
}
