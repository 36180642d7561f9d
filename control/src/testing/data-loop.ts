/**
 * Does what `bun run bench data` measures, in a process of its own: reads a workspace's row in every tier, makes many
 * workspaces, and applies an Expand to all of them beside writers. One line of JSON in, for each step one line out.
 */
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { WorkspaceStore } from '../application/ports/workspace-store.ts';
import { MIGRATIONS } from '../compose.ts';
import { systemClock, systemIds } from '../infrastructure/identity/system.ts';
import { connect, type Sql } from '../infrastructure/postgres/connect.ts';
import { migrate } from '../infrastructure/postgres/migrations/migrate.ts';
import { migrateTargets } from '../infrastructure/postgres/migrations/migrate-targets.ts';
import { createPlaces, createTiers } from '../infrastructure/postgres/tenancy/places.ts';
import { createWorkspaceStore } from '../infrastructure/postgres/workspace-store.ts';
import { provision } from './provision.ts';

const POOL_SIZE = 16;
const WRITERS = 8;
const LOAD_MS = 5_000;

interface Asked {
  readonly ownerUrl: string;
  readonly runtimeUrl: string;
  readonly tierB: number;
  readonly tierC: number;
}

export interface Durations {
  readonly durations: readonly number[];
  readonly elapsedMs: number;
}

const say = (value: unknown) => console.log(JSON.stringify(value));
const idOf = (tier: 'b' | 'c', at: number) => `bench-${tier}-${at}` as WorkspaceId;

class Bench {
  readonly #asked: Asked;
  readonly #sql: Sql;
  readonly #store: WorkspaceStore;
  readonly #secrets = new Map<string, string>();
  #folder = '';

  constructor(asked: Asked) {
    this.#asked = asked;
    this.#sql = connect(asked.runtimeUrl, { max: POOL_SIZE, name: 'bench' });
    const places = createPlaces({
      ...{ shared: this.#sql, role: 'runtime', instance: this.#sql, tiers: createTiers(this.#sql) },
      readUrl: async (workspace) => this.#secrets.get(workspace) ?? '',
    });
    this.#store = createWorkspaceStore(places, systemIds(systemClock));
  }

  async run(): Promise<void> {
    const { ownerUrl, runtimeUrl, tierB, tierC } = this.#asked;
    await migrate({ ownerUrl, runtimeUrl, folder: MIGRATIONS, toolVersion: 'bench' });
    const b = await this.#provision('B', tierB);
    const c = await this.#provision('C', tierC);
    say({ step: 'provision', b, c });
    say({ step: 'bind', ...(await this.#bind()) });
    this.#folder = await mkdtemp(join(tmpdir(), 'portarium-bench-data-'));
    await cp(MIGRATIONS, this.#folder, { recursive: true });
    try {
      say({ step: 'expand', ...(await this.#expandUnderLoad()) });
      say({ step: 'targets', ...(await this.#expandAlone()) });
    } finally {
      await rm(this.#folder, { recursive: true });
    }
  }

  async #provision(tier: 'B' | 'C', count: number): Promise<Durations> {
    const durations: number[] = [];
    const started = performance.now();
    for (let i = 0; i < count; i++) {
      const from = performance.now();
      const id = idOf(tier === 'B' ? 'b' : 'c', i);
      const made = await provision(this.#asked, id, tier);
      if (made.databaseUrl !== undefined) {
        this.#secrets.set(id, made.databaseUrl);
        await this.#sql`UPDATE workspaces SET database_secret = gen_random_uuid() WHERE id = ${id}`;
      }
      durations.push(performance.now() - from);
    }
    return { durations, elapsedMs: performance.now() - started };
  }

  /** The same statement each time: what is known of a workspace's limits. */
  async #bind() {
    const { tierB, tierC } = this.#asked;
    const read = (workspace: WorkspaceId) =>
      this.#store.read(workspace, (tx) => tx.workspaceLimits());
    const plain = (sql: Pick<Sql, never> & Sql) =>
      sql`SELECT limits FROM workspace_limits WHERE workspace_id = ${'bench-a'}`;
    const ways: Readonly<Record<string, (at: number) => Promise<unknown>>> = {
      plain: () => plain(this.#sql),
      transaction: () => this.#sql.begin('READ ONLY', (tx) => plain(tx as unknown as Sql)),
      tierA: () => read('bench-a' as WorkspaceId),
      tierB: () => read(idOf('b', 0)),
      tierBInTurn: (at) => read(idOf('b', at % tierB)),
      tierC: () => read(idOf('c', 0)),
      tierCInTurn: (at) => read(idOf('c', at % tierC)),
    };
    const seen: Record<string, { durations: number[]; elapsedMs: number }> = {};
    for (const name of Object.keys(ways)) seen[name] = { durations: [], elapsedMs: 0 };
    for (let round = 0; round <= 6; round++) {
      for (const [name, way] of Object.entries(ways)) {
        const { durations, elapsedMs } = await lanes(WRITERS, 400, way);
        // The first round prepares statements and opens connections.
        if (round === 0) continue;
        seen[name]?.durations.push(...durations);
        const sum = seen[name];
        if (sum) sum.elapsedMs += elapsedMs;
      }
    }
    return { ways: seen };
  }

  async #expandUnderLoad() {
    await this.#addExpand('bench_one');
    const all = [
      ...Array.from({ length: this.#asked.tierB }, (_, at) => idOf('b', at)),
      ...Array.from({ length: this.#asked.tierC }, (_, at) => idOf('c', at)),
    ];
    let phase: 'before' | 'during' | 'after' | 'over' = 'before';
    let failed = 0;
    const waits: Record<string, number[]> = { before: [], during: [], after: [] };
    const writer = async (lane: number) => {
      for (let at = lane; phase !== 'over'; at += WRITERS) {
        const own = phase;
        const from = performance.now();
        try {
          await this.#store.submit(all[at % all.length] as WorkspaceId, (tx) =>
            tx.forgetIdempotencyKeys('2000-01-01T00:00:00.000Z'),
          );
        } catch {
          failed += 1;
        }
        waits[own]?.push(performance.now() - from);
      }
    };
    const load = Promise.all(Array.from({ length: WRITERS }, (_, lane) => writer(lane)));
    await Bun.sleep(LOAD_MS);
    phase = 'during';
    const { ms, targets } = await this.#expand();
    phase = 'after';
    await Bun.sleep(LOAD_MS);
    phase = 'over';
    await load;
    return { waits, failed, ms, targets };
  }

  async #expandAlone() {
    const runs = [];
    for (const name of ['bench_two', 'bench_three', 'bench_four']) {
      await this.#addExpand(name);
      runs.push(await this.#expand());
    }
    return { runs };
  }

  async #addExpand(name: string): Promise<void> {
    const tenant = join(this.#folder, 'tenant');
    const next = String((await readdir(tenant)).length + 1).padStart(4, '0');
    const header = `-- phase: expand\n-- description: a bench\n-- reversible: yes\n-- lock-budget-ms: 500\n`;
    await writeFile(
      join(tenant, `${next}_expand_${name}.sql`),
      `${header}ALTER TABLE idempotency_keys ADD COLUMN ${name} text;\n`,
    );
  }

  async #expand() {
    const { ownerUrl } = this.#asked;
    const started = performance.now();
    const { applied, failed } = await migrateTargets({
      ...{ ownerUrl, folder: this.#folder, toolVersion: 'bench', maxFailures: 1_000 },
    });
    if (failed.length > 0) throw new Error(failed[0]?.error);
    return { ms: performance.now() - started, targets: applied.length };
  }
}

async function lanes(
  count: number,
  size: number,
  work: (at: number) => Promise<unknown>,
): Promise<Durations> {
  const durations: number[] = [];
  let at = 0;
  const lane = async () => {
    while (at < size) {
      const own = at++;
      const from = performance.now();
      await work(own);
      durations.push(performance.now() - from);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: count }, lane));
  return { durations, elapsedMs: performance.now() - started };
}

for await (const line of createInterface({ input: process.stdin })) {
  await new Bench(JSON.parse(line) as Asked).run();
  process.exit(0);
}
