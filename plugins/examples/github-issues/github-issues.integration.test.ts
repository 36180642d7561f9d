import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPlugin } from '@extism/extism';
import { type EgressRule, idempotencyOf } from '@portarium/contracts/egress-rule';
import { validateJson } from '@portarium/contracts/json-schema';
import { ManifestSchema } from '@portarium/contracts/manifest';
import { type BuiltPlugin, buildPlugin } from '@portarium/sdk/build';
import { pointAt } from '@portarium/sdk/derive-manifest';
import * as v from 'valibot';

const OCTOCAT = { owner: 'octocat', repository: 'Hello-World' };
/** Headers of any request; what an HTTP client adds of itself is none of the plugin's. */
const GIVEN = {
  accept: 'application/vnd.github+json',
  'user-agent': 'portarium-github-issues',
  'x-github-api-version': '2022-11-28',
};

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}
interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}

const seen: Seen[] = [];
let answers: Answer[] = [];
const server = createServer(async (request, response) => {
  const body = await new Response(request as never).text();
  const { method, url, headers } = request;
  seen.push({ method, url, headers, body });
  const { status = 200, headers: sent = {}, body: told } = answers.shift() ?? { body: null };
  response.writeHead(status, { 'content-type': 'application/json', ...sent });
  response.end(typeof told === 'string' ? told : JSON.stringify(told));
});

let scratch = '';
let plugin: BuiltPlugin;
let baseUrl = '';
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'portarium-github-'));
  plugin = await buildPlugin(import.meta.dir, scratch);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const local = pointAt(plugin.manifest, { scheme: 'http', host: '127.0.0.1', port });
  baseUrl = local.config?.baseUrl?.default ?? '';
}, 60_000);
afterAll(async () => {
  server.close();
  await rm(scratch, { recursive: true, force: true });
});

/** Runs one operation in a fresh instance against a server that gives `planned`, one a call. */
async function run(name: string, input: object, planned: readonly Answer[]): Promise<unknown> {
  seen.length = 0;
  answers = [...planned];
  const guest = await createPlugin(
    { wasm: [{ data: plugin.module }] },
    { config: { baseUrl }, allowedHosts: ['*'], allowHttpResponseHeaders: true },
  );
  try {
    const text = JSON.stringify({ ...OCTOCAT, ...input });
    return JSON.parse((await guest.call(name, text))?.text() ?? '');
  } finally {
    await guest.close();
  }
}

const manifest = () => v.parse(ManifestSchema, plugin.manifest);

function issue(number: number, more: object = {}): object {
  return {
    ...{ number, title: `Issue ${number}`, state: 'open', comments: 2, labels: ['bug'] },
    ...{ html_url: `https://github.com/octocat/Hello-World/issues/${number}` },
    ...{ created_at: '2011-04-22T13:33:48Z', user: { login: 'octocat' }, ...more },
  };
}

const link = (query: string, rel = 'next') =>
  `<https://api.github.com/repositories/1296269/issues?${query}>; rel="${rel}"`;

test('listIssues sends exactly the calls that its rule names, and no token', async () => {
  const input = { labels: ['a&state=x', 'ü'], perPage: 2, maxPages: 2 };
  const listed = await run('list_issues', input, [
    { headers: { link: `${link('page=2')}, ${link('page=9', 'last')}` }, body: [issue(1)] },
    { headers: { link: link('page=3') }, body: [issue(2, { pull_request: {} })] },
  ]);
  expect(listed).toMatchObject({
    issues: [{ number: 1 }],
    pullRequestsLeftOut: 1,
    next: { page: 3 },
  });
  const path =
    '/repos/octocat/Hello-World/issues?state=open&per_page=2&labels=a%26state%3Dx%2C%C3%BC';
  expect(seen.map(({ method, url, body }) => [method, url, body])).toEqual([
    ['GET', path, ''],
    ['GET', `${path}&page=2`, ''],
  ]);
  const [list] = manifest().egress;
  for (const { url, headers } of seen) {
    expect(headers).toMatchObject(GIVEN);
    expect(headers.authorization).toBeUndefined();
    const names = [...new URL(url ?? '', baseUrl).searchParams.keys()];
    expect(names.filter((name) => !list?.query?.includes(name))).toEqual([]);
  }
  expect(Object.keys(GIVEN).sort()).toEqual([...(list?.headers ?? [])].sort());
});

test('createIssue and commentOnIssue send one body, in one order, and no token', async () => {
  const input = { labels: ['bug'], title: 'Found "it"', body: 'line\nline', assignees: ['a'] };
  await run('create_issue', input, [{ status: 201, body: issue(7) }]);
  expect(seen).toMatchObject([
    {
      method: 'POST',
      url: '/repos/octocat/Hello-World/issues',
      headers: { ...GIVEN, 'content-type': 'application/json' },
      body: '{"title":"Found \\"it\\"","body":"line\\nline","labels":["bug"],"assignees":["a"]}',
    },
  ]);
  expect(seen[0]?.headers.authorization).toBeUndefined();
  const body = { id: 1, html_url: 'https://github.com/o/r/issues/7', created_at: 'now' };
  await run('comment_on_issue', { number: 7, body: 'Me too' }, [{ status: 201, body }]);
  expect(seen).toMatchObject([
    {
      method: 'POST',
      url: '/repos/octocat/Hello-World/issues/7/comments',
      headers: { ...GIVEN, 'content-type': 'application/json' },
      body: '{"body":"Me too"}',
    },
  ]);
});

test('only what a link calls next is followed, and never to another path', async () => {
  const ends: readonly (readonly [string, unknown])[] = [
    ['', undefined],
    [link('page=1', 'first'), undefined],
    [link('state=all'), undefined],
    [link('page=zero'), undefined],
    ['nonsense; rel="next"', undefined],
    [
      `${link('page=1', 'prev')},${link('per_page=2&page=3&after=a%3D%26b')}`,
      { page: 3, after: 'a=&b' },
    ],
  ];
  for (const [header, next] of ends) {
    const listed = await run('list_issues', {}, [{ headers: { link: header }, body: [] }]);
    expect([header, (listed as { next?: unknown }).next]).toEqual([header, next]);
  }
  await run('list_issues', { maxPages: 2 }, [
    { headers: { link: `<https://evil.example/steal?page=2>; rel="next"` }, body: [] },
    { body: [] },
  ]);
  expect(seen[1]?.url).toBe('/repos/octocat/Hello-World/issues?state=open&per_page=30&page=2');
});

test('an answer that is no issue, no comment or no list is not taken for one', async () => {
  for (const body of ['{}', 'no JSON', '[]', '{"number":"7"}']) {
    const created = run('create_issue', { title: 'x' }, [{ status: 201, body }]);
    await expect(created).rejects.toThrow('GitHub accepted the issue and answered with something');
    const said = run('comment_on_issue', { number: 1, body: 'x' }, [{ status: 201, body }]);
    await expect(said).rejects.toThrow('GitHub accepted the comment and answered with something');
  }
  for (const body of ['{}', 'no JSON']) {
    const listed = run('list_issues', {}, [{ body }]);
    await expect(listed).rejects.toThrow('GitHub answered without a list of issues');
  }
});

test('whatever an operator grants, no write of it has an idempotency key, and each is sent at most once', () => {
  const writes = manifest().egress.filter(({ methods }) => !methods.includes('GET'));
  expect(writes.map(({ id, maxCalls }) => [id, maxCalls])).toEqual([
    ['create-issue', 1],
    ['comment', 1],
  ]);
  const idempotency = { header: 'Idempotency-Key', retentionHours: 24 };
  for (const rule of writes) {
    const operator: EgressRule = { ...rule, idempotency };
    expect(idempotencyOf({ plugin: rule, operator })).toBeUndefined();
  }
});

test('inputs and outputs of the examples keep to the schemas, and no input leaves its path', () => {
  for (const operation of manifest().operations) {
    expect(operation.examples.length).toBeGreaterThan(0);
    for (const { input, output } of operation.examples) {
      expect(validateJson(operation.input, input)).toEqual([]);
      expect(validateJson(operation.output, output)).toEqual([]);
    }
    const { input } = operation.examples[0] ?? {};
    const bad = ['', '.', '..', 'a/b', 'a%2fb', 'a b', 'a?b', 'a#b'];
    for (const name of bad) {
      for (const member of ['owner', 'repository']) {
        const changed = { ...(input as object), [member]: name };
        expect([name, validateJson(operation.input, changed).length]).not.toEqual([name, 0]);
      }
    }
    const dotted = { ...(input as object), repository: '.github' };
    expect(validateJson(operation.input, dotted)).toEqual([]);
  }
});
