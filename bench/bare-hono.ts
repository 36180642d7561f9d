/** What `bench api` compares with: Hono and one statement a request, on the same database. */
import { Hono } from 'hono';
import postgres from 'postgres';

const sql = postgres(process.env.BARE_DATABASE_URL ?? '', { max: 16, onnotice: () => {} });
await sql`CREATE TABLE IF NOT EXISTS bare_actions (id uuid PRIMARY KEY DEFAULT uuidv7(), body jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now())`;

const app = new Hono();
app.post('/actions', async (exchange) => {
  const body = await exchange.req.json();
  const [row] =
    await sql`INSERT INTO bare_actions (body) VALUES (${sql.json(body)}) RETURNING id, created_at`;
  return exchange.json({ id: row?.id, createdAt: row?.created_at }, 201);
});
app.get('/actions/:id', async (exchange) => {
  const [row] =
    await sql`SELECT id, body, created_at FROM bare_actions WHERE id = ${exchange.req.param('id')}`;
  return exchange.json(row ?? {}, row ? 200 : 404);
});
app.get('/actions', async (exchange) => {
  const rows = await sql`SELECT id, body, created_at FROM bare_actions ORDER BY id DESC LIMIT 50`;
  return exchange.json({ items: rows });
});

const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: app.fetch });
console.log(server.port);
