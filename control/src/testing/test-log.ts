/** PostgreSQL of one test file alone, migrated: what is killed and restarted is nobody else's. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServices } from '@portarium/local/start-services';
import postgres from 'postgres';
import { MIGRATIONS } from '../compose.ts';
import { migrate } from '../infrastructure/postgres/migrations/migrate.ts';

export interface TestLog extends AsyncDisposable {
  readonly ownerUrl: string;
  readonly runtimeUrl: string;
  /** Ends PostgreSQL at once, as `pg_ctl stop -m immediate` does, and waits until it is up again. */
  restart(): Promise<void>;
}

const RESTART_MS = 120_000;

export async function startTestLog(): Promise<TestLog> {
  const dataDir = await mkdtemp(join(tmpdir(), 'portarium-log-'));
  const services = await startServices({ dataDir, parts: ['postgres'] });
  const { ownerUrl, url: runtimeUrl } = services.postgres;
  await migrate({ ownerUrl, runtimeUrl, folder: MIGRATIONS, toolVersion: 'test' });
  return {
    ownerUrl,
    runtimeUrl,
    async restart() {
      const before = services.pidOf('postgres');
      if (before !== undefined) process.kill(before, 'SIGQUIT');
      const until = performance.now() + RESTART_MS;
      while (services.pidOf('postgres') === before || !(await answers(ownerUrl))) {
        if (performance.now() > until) throw new Error('PostgreSQL did not come back');
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async [Symbol.asyncDispose]() {
      await services.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function answers(url: string): Promise<boolean> {
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} });
  try {
    await sql`SELECT 1`;
    return true;
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
}
