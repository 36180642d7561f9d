import { afterAll, beforeAll, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readEnvironment } from './environment.ts';
import { randomFreePort } from './free-ports.ts';
import { outsideOf } from './outside.ts';
import { startStack } from './start-stack.ts';
import { callStack, pushPlugin } from './testing/stack-calls.ts';

const root = mkdtempSync(join(tmpdir(), 'portarium-outside-'));
chmodSync(root, 0o711);
const [cert, key] = [join(root, 'cert.pem'), join(root, 'key.pem')];
beforeAll(() => {
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'],
  ]);
  expect([made.status, made.stderr?.toString()]).toEqual([0, expect.any(String)] as never);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** A request that trusts our certificate and no other. */
function overTls(url: string, bearer: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${bearer}` };
    request(url, { ca: readFileSync(cert), headers }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    })
      .on('error', reject)
      .end();
  });
}

for (const runtime of ['bun', 'deno'] as const) {
  test(`callers of other machines come in over TLS, and find nothing that hosts use, on ${runtime}`, async () => {
    const port = await randomFreePort();
    const stack = await startStack({
      dataDir: join(root, runtime),
      environment: { ...readEnvironment(), runtime },
      outside: outsideOf({ listen: `127.0.0.1:${port}`, tlsCert: cert, tlsKey: key }),
    });
    try {
      const url = `https://127.0.0.1:${port}`;
      const found = await overTls(`${url}/v1/workspaces/local`, stack.keys.operator);
      expect([found.status, JSON.parse(found.body)]).toMatchObject([200, { id: 'local' }]);
      expect(found.headers['strict-transport-security']).toBe('max-age=63072000');
      const page = await overTls(`${url}/console`, '');
      expect([page.status, page.headers['content-security-policy'] !== undefined]).toEqual([
        200,
        true,
      ]);
      for (const path of ['/internal/v1/attempts/claim', '/%69nternal/v1/x', '//internal/v1/x']) {
        expect([path, (await overTls(`${url}${path}`, stack.hostKey ?? '')).status]).toEqual([
          path,
          404,
        ]);
      }
      // The parts still reach each other on loopback.
      await pushPlugin(stack, 'plugins/examples/csv-insights');
      const ran = await callStack(stack, 'operator', 'POST', '/actions', {
        headers: { 'content-type': 'application/json', prefer: 'wait=30' },
        body: JSON.stringify({
          ...{ plugin: 'csv-insights', operation: 'summarise', input: { csv: 'a\n1\n' } },
        }),
      });
      expect(((await ran.json()) as { state: string }).state).toBe('succeeded');
    } finally {
      await stack.stop();
    }
  }, 180_000);
}
