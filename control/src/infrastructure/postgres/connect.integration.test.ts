import { expect, test } from 'bun:test';
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';
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

test('a transaction that was lost says nothing on the connection that took its place', async () => {
  const { postgres } = await sharedServices();
  const owner = connect(postgres.ownerUrl, { max: 1, name: 'test-owner' });
  const sql = connect(postgres.ownerUrl, { max: 1, name: 'test-lost' });
  const [begun, wake] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const late = Promise.withResolvers<string>();
  try {
    const lost = sql.begin(async (tx) => {
      await tx`SELECT 1`;
      begun.resolve();
      await wake.promise;
      late.resolve(
        await tx`SELECT 1`.then(
          () => 'run',
          (error: Error) => error.message,
        ),
      );
      throw new Error('rolled back');
    });
    const ended = lost.catch((error: { code?: string }) => error.code);
    await begun.promise;
    await owner`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test-lost'`;
    expect(await ended).toBe('CONNECTION_CLOSED');
    const transactions = await sql.begin(async (tx) => {
      const [before] = await tx`SELECT pg_current_xact_id()::text AS id`;
      wake.resolve();
      expect(await late.promise).toContain('CONNECTION_CLOSED');
      await new Promise((resolve) => setTimeout(resolve, 100));
      const [after] = await tx`SELECT pg_current_xact_id()::text AS id`;
      return [before?.id, after?.id];
    });
    expect(transactions[0]).toBe(transactions[1]);
  } finally {
    await Promise.all([sql.end({ timeout: 1 }), owner.end({ timeout: 1 })]);
  }
}, 60_000);

/** A door to PostgreSQL that is shut by `shut`, which gets each message of the server, in front of it. */
async function doorTo(
  url: string,
  shut: (type: string, client: Socket) => boolean,
): Promise<{ readonly url: string; readonly close: () => void }> {
  const target = new URL(url);
  const door = createServer((client) => {
    const server = dial(Number(target.port), target.hostname);
    client.on('error', () => server.destroy()).on('close', () => server.destroy());
    client.pipe(server, { end: false });
    server.on('error', () => client.destroy()).on('close', () => client.destroy());
    let rest: Buffer = Buffer.alloc(0);
    server.on('data', (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      while (rest.length > 4) {
        const end = 1 + rest.readUInt32BE(1);
        if (rest.length < end) return;
        client.write(rest.subarray(0, end));
        const type = String.fromCharCode(rest[0] ?? 0);
        rest = rest.subarray(end);
        if (shut(type, client)) {
          server.removeAllListeners('data').destroy();
          return;
        }
      }
    });
  });
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
  const through = new URL(url);
  through.hostname = '127.0.0.1';
  through.port = String((door.address() as AddressInfo).port);
  return { url: through.href, close: () => door.close() };
}

/** What PostgreSQL says to a session that an administrator ends. */
function terminated(): Buffer {
  const fields = Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0');
  const head = Buffer.from('E\0\0\0\0');
  head.writeUInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

test('a row that came before its connection was lost is no row of the next query', async () => {
  const { postgres } = await sharedServices();
  let armed = false;
  const door = await doorTo(postgres.ownerUrl, (type, client) => {
    if (!armed || type !== 'D') return false;
    armed = false;
    client.end(terminated());
    return true;
  });
  const sql = connect(door.url, { max: 1, name: 'test-row' });
  try {
    for (let round = 0; round < 5; round++) {
      expect([...(await sql`SELECT 1 AS one`)]).toEqual([{ one: 1 }]);
      armed = true;
      const lost = await sql`SELECT 2 AS two`.catch((error: { code?: string }) => error.code);
      expect(lost).toBe('CONNECTION_CLOSED');
      expect([...(await sql`SELECT 3 AS three`)]).toEqual([{ three: 3 }]);
    }
  } finally {
    await sql.end({ timeout: 1 });
    door.close();
  }
}, 30_000);

test('what was sent on a connection that was reset is answered as lost, and holds no place in the pool', async () => {
  const { postgres } = await sharedServices();
  let armed = false;
  const door = await doorTo(postgres.ownerUrl, (type, client) => {
    if (!armed || type !== 'D') return false;
    armed = false;
    client.resetAndDestroy();
    return true;
  });
  const sql = connect(door.url, { max: 1, name: 'test-reset' });
  const late = new Promise<string>((resolve) => setTimeout(() => resolve('late'), 20_000));
  try {
    for (let round = 0; round < 5; round++) {
      const lost = sql
        .begin(async (tx) => {
          await tx`SELECT 1`;
          armed = true;
          const ends = await Promise.allSettled([
            tx`SELECT 2`.catch(() => tx`SELECT 3`),
            tx`SELECT 4`,
          ]);
          return ends.map(({ status }) => status).join(' ');
        })
        .catch((error: { code?: string }) => error.code);
      expect(await Promise.race([lost, late])).toMatch(/^(CONNECTION_CLOSED|ECONNRESET)$/);
      const next = sql`SELECT 5 AS five`.then((rows) => JSON.stringify(rows));
      expect(await Promise.race([next, late])).toBe('[{"five":5}]');
    }
  } finally {
    await sql.end({ timeout: 1 });
    door.close();
  }
}, 30_000);
