import { expect, test } from 'bun:test';
import { type AddressInfo, createServer, connect as dial } from 'node:net';
import { sharedServices } from '@portarium/local/testing/shared-services';
import { connect } from './connect.ts';

/** The driver's own pause has grown to 10 s and more by then. */
const OUTAGE_REQUESTS = 40;
const BACK_WITHIN_MS = 4_000;

test('a database that is back is used at once, however many requests failed while it was away', async () => {
  const { postgres } = await sharedServices();
  const target = new URL(postgres.ownerUrl);
  const door = createServer((client) => {
    const server = dial(Number(target.port), target.hostname);
    client.on('error', () => server.destroy()).pipe(server);
    server.on('error', () => client.destroy()).pipe(client);
  });
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
  const { port } = door.address() as AddressInfo;
  await new Promise((resolve) => door.close(resolve));

  const through = new URL(postgres.ownerUrl);
  through.hostname = '127.0.0.1';
  through.port = String(port);
  const sql = connect(through.href, { max: 4, name: 'test' });
  try {
    for (let i = 0; i < OUTAGE_REQUESTS / 4; i++) {
      const away = await Promise.allSettled([1, 2, 3, 4].map(() => sql`SELECT 1`));
      expect(away.map(({ status }) => status)).toEqual(Array(4).fill('rejected'));
    }
    await new Promise<void>((resolve) => door.listen(port, '127.0.0.1', resolve));
    const late = new Promise((resolve) => setTimeout(() => resolve('late'), BACK_WITHIN_MS));
    const back = Promise.all([1, 2, 3, 4].map(() => sql`SELECT 1`));
    expect(await Promise.race([back.then(() => 'back'), late])).toBe('back');
  } finally {
    await sql.end({ timeout: 1 });
    door.close();
  }
}, 30_000);

test('connections that are ended while they begin fail their requests and nothing else', async () => {
  const { postgres } = await sharedServices();
  const owner = connect(postgres.ownerUrl, { max: 1, name: 'test-owner' });
  const end = () =>
    owner`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test-begins'`;
  let running = true;
  const ending = (async () => {
    while (running) await end();
  })();
  let answered = 0;
  let refused = 0;
  try {
    // A driver's own queries at the start of a connection are nobody's: what becomes of them is told to none.
    for (let round = 0; round < 40; round++) {
      const sql = connect(postgres.ownerUrl, { max: 5, name: 'test-begins' });
      const all = await Promise.allSettled([1, 2, 3, 4, 5].map(() => sql`SELECT 1`));
      answered += all.filter(({ status }) => status === 'fulfilled').length;
      refused += all.filter(({ status }) => status === 'rejected').length;
      await sql.end({ timeout: 0 });
    }
  } finally {
    running = false;
    await ending;
    await owner.end();
  }
  expect(answered + refused).toBe(200);
  expect(refused).toBeGreaterThan(0);
}, 60_000);
