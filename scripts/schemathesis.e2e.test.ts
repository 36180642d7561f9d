import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OPERATIONS, type OperationId } from '@portarium/control/http/operations';
import { serve } from '@portarium/control/serve';
import { pushLedger, storeSecret } from '@portarium/control/testing/ledger-plugin';
import { startTestInstance, type TestInstance } from '@portarium/control/testing/test-instance';
import { ask } from '@portarium/control/testing/writes';
import { randomFreePort } from '@portarium/local/free-ports';
import * as v from 'valibot';
import { installSchemathesis } from './tools/install-schemathesis.ts';

const FULL = process.env.PORTARIUM_TEST_FULL === '1';
const SEED = 20261127;
/** Requests that all runs together make at least, and cases an operation in each run. */
const [LEAST, EXAMPLES] = FULL ? [20_000, 80] : [2_500, 20];

/** Everything that is about what the document promises. Rules that JSON Schema can not say are left out. */
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'missing_required_header',
  'unsupported_method',
  'allow_header_conformance',
  'ignored_auth',
];

const folder = mkdtempSync(join(tmpdir(), 'portarium-schemathesis-'));
let instance: TestInstance;
let stop: () => Promise<void>;
let url: string;
/** Ids that exist, by the operations that take one. */
let ids: Readonly<Partial<Record<OperationId, string>>>;

beforeAll(async () => {
  const rate = String(100_000);
  instance = await startTestInstance(undefined, {
    PORTARIUM_RATE_PER_KEY: rate,
    PORTARIUM_RATE_PER_WORKSPACE: rate,
  });
  const credential = await storeSecret(instance);
  await pushLedger(instance);
  const action = await ask(instance);
  const made = await instance.call('POST', '/v1/workspaces/local/keys', {
    role: 'admin',
    json: { name: 'to-be-revoked', owner: 'ada', role: 'agent' },
  });
  const key = ((await made.json()) as { id: string }).id;
  const approval = action.approval?.id ?? '';
  const { id } = action;
  ids = {
    ...{ getAction: id, listAttempts: id, getJournal: id, cancelAction: id, resolveAction: id },
    ...{ getApproval: approval, decideApproval: approval },
    ...{ getCredential: credential, rotateCredential: credential, revokeCredential: credential },
    // Of another key than the one that asks.
    ...{ revokeKey: key, revokeInstanceKey: key },
  };
  const port = await randomFreePort();
  const running = await serve(
    { ...instance.configuration, PORTARIUM_HTTP_PORT: port },
    new Set(['api'] as const),
  );
  stop = () => running.stop();
  url = `http://127.0.0.1:${port}`;
}, 60_000);
afterAll(async () => {
  await stop?.();
  await instance?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const ReportSchema = v.object({
  complete: v.boolean(),
  operations: v.object({ selected: v.number(), tested: v.number(), errored: v.number() }),
  test_cases: v.object({ generated: v.number(), unique_failures: v.number() }),
});

/** Keys may not be revoked at random: one of them asks. */
const NOT_AT_RANDOM: readonly OperationId[] = ['revokeKey', 'revokeInstanceKey'];

/** @param known whether paths name what is there, or anything at all */
function configuration(known: boolean): string {
  if (!known) return '';
  const operations = Object.entries(ids).map(
    ([id, value]) =>
      `[[operations]]\ninclude-operation-id = "${id}"\nparameters = { "path.id" = "${value}" }\n`,
  );
  const all = '[parameters]\n"path.ws" = "local"\n"path.name" = "ledger"\n';
  return [all, ...operations].join('\n');
}

async function fuzz(known: boolean, seed: number): Promise<number> {
  const name = `${known ? 'known' : 'anything'}-${seed}`;
  const file = join(folder, `${name}.toml`);
  const report = join(folder, `${name}.json`);
  writeFileSync(file, configuration(known));
  // A stream does not end. A bundle is bytes of any kind, and each kind is answered, which is no negative
  // test; `cli/src/commands/evidence-mutations.e2e.test.ts` sends those.
  const excluded: string[] = ['streamEvents', 'verifyEvidence', ...(known ? [] : NOT_AT_RANDOM)];
  const ran = Bun.spawn(
    [
      ...[installSchemathesis(), '-m', 'schemathesis.cli', '--config-file', file, 'run'],
      ...[`${url}/openapi.json`, '--header', `Authorization: Bearer ${instance.keys.admin}`],
      ...['--phases', 'examples,coverage,fuzzing', '--max-examples', String(EXAMPLES)],
      ...['--seed', String(seed), '--checks', CHECKS.join(','), '--continue-on-failure'],
      ...excluded.flatMap((id) => ['--exclude-operation-id', id]),
      ...['--request-timeout', '20', '--suppress-health-check', 'all'],
      ...['--report', 'json', '--report-json-path', report, '--no-color'],
    ],
    { cwd: folder, stdout: 'pipe', stderr: 'pipe' },
  );
  const output = await new Response(ran.stdout).text();
  expect([await ran.exited, output.slice(-6_000)]).toEqual([0, expect.any(String)] as never);
  const { complete, operations, test_cases } = v.parse(
    ReportSchema,
    JSON.parse(readFileSync(report, 'utf8')),
  );
  expect(complete).toBe(true);
  expect(operations).toMatchObject({
    selected: Object.keys(OPERATIONS).length - excluded.length,
    tested: Object.keys(OPERATIONS).length - excluded.length,
    errored: 0,
  });
  expect(test_cases.unique_failures).toBe(0);
  return test_cases.generated;
}

/** Runs with one seed after another, until they have made `least` requests. */
async function fuzzUntil(known: boolean, least: number): Promise<void> {
  let requests = 0;
  let seed = SEED;
  for (; requests < least; seed++) requests += await fuzz(known, seed);
  const what = known ? 'names of what exists' : 'any names';
  console.log(`schemathesis: ${requests} requests with ${what}, seeds ${SEED} to ${seed - 1}`);
}

test('schemathesis finds no 5xx and nothing undocumented where everything that is named exists', async () => {
  await fuzzUntil(true, LEAST / 2);
}, 900_000);

test('schemathesis finds no 5xx and nothing undocumented where names are anything at all', async () => {
  await fuzzUntil(false, LEAST / 2);
}, 900_000);
