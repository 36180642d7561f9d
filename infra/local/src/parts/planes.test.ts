import { expect, test } from 'bun:test';
import { dataFolderAt } from '../data-folder.ts';
import { readEnvironment } from '../environment.ts';
import { controlPart, type StackContext, sandboxPart } from './planes.ts';

const context: StackContext = {
  folder: dataFolderAt('data'),
  ports: { http: 1, postgres: 2, temporal: 3, nats: 4, natsMonitor: 5, sandboxHealth: 6 },
  secrets: { postgresOwnerPassword: 'o', postgresRuntimePassword: 'r' },
  environment: readEnvironment({ PATH: '/bin' }),
  onProgress: () => undefined,
};

test('the sandbox host is killed only 5 s after its drain', async () => {
  const part = sandboxPart(context);
  const { env } = await part.prepare();
  expect(env.PORTARIUM_DRAIN_MS).toBe('10000');
  expect(part.stopTimeoutMs).toBe(15_000);
});

test('the planes take no configuration of Bun and no .env from any folder', async () => {
  for (const part of [controlPart(context), sandboxPart(context)]) {
    const { args } = await part.prepare();
    expect(args).toContain('--no-env-file');
    expect(args.some((each) => /^--config=\/.*\/bunfig\.toml$/.test(each))).toBe(true);
  }
});
