import { afterAll, beforeAll, expect, test } from 'bun:test';
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { resolveBinary } from '@portarium/local/binaries/resolve-binary';
import { randomFreePort } from '@portarium/local/free-ports';
import { startMinioServer } from '@portarium/local/testing/minio-server';
import { startVaultServer } from '@portarium/local/testing/vault-server';

const root = join(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'portarium-guides-'));
// PostgreSQL does not run as root, and its user has to get through.
chmodSync(scratch, 0o711);
/** What somebody has who cloned the repository, and nothing else. */
const clone = join(scratch, 'portarium');
/** Whatever guides put there, they remove. */
const temporary = join(scratch, 'tmp');

beforeAll(() => {
  mkdirSync(temporary, { mode: 0o711 });
  const listed = spawnSync('git', ['ls-files', '-z', '--cached'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  for (const path of listed.stdout
    .split('\0')
    .filter((one) => one !== '' && existsSync(join(root, one)))) {
    mkdirSync(dirname(join(clone, path)), { recursive: true });
    cpSync(join(root, path), join(clone, path));
  }
}, 60_000);
afterAll(() => {
  spawnSync('./portarium', ['down'], { cwd: clone });
  rmSync(scratch, { recursive: true, force: true });
});

/** What a guide has a reader type, in order. */
function commandsOf(guide: string): string {
  const page = readFileSync(join(clone, 'docs', guide), 'utf8');
  return [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text]) => text ?? '').join('\n');
}

/** Ends what the guide left in the background, and the trial's own stack, also when a line fails. */
const CLEAN_UP = `trap 'kill $(jobs -p) 2> /dev/null || true; [ -z "\${PORTARIUM_DATA:-}" ] || ./portarium down' EXIT`;

let httpPort: string | undefined;

/** Runs a guide as it stands; ports that it names are replaced, because other programs may hold them. */
async function follow(
  guide: string,
  ports: readonly string[] = [],
  given: Readonly<Record<string, string>> = {},
): Promise<{ readonly out: string; readonly err: string }> {
  httpPort ??= String(await randomFreePort());
  // What a guide before this one left running when it failed is none of this one's.
  spawnSync('./portarium', ['down'], { cwd: clone });
  let text = commandsOf(guide);
  for (const port of ports) {
    expect(text).toContain(port);
    text = text.replaceAll(port, String(await randomFreePort()));
  }
  const outside = Object.entries(process.env).filter(([name]) => !name.startsWith('PORTARIUM_'));
  const { PORTARIUM_CACHE } = process.env;
  const child = spawn('bash', ['-euo', 'pipefail', '-c', `${CLEAN_UP}\n${text}`], {
    cwd: clone,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...Object.fromEntries(outside),
      ...(PORTARIUM_CACHE === undefined ? {} : { PORTARIUM_CACHE }),
      ...given,
      TMPDIR: temporary,
      PORTARIUM_HTTP_PORT: httpPort,
      PORTARIUM_STRIPE_MOCK_BIN: (await resolveBinary('stripe-mock')).path,
    },
  });
  const [out, err] = [child.stdout, child.stderr].map((stream) => {
    let heard = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      heard += chunk;
    });
    return () => heard;
  });
  // Not until its pipes close: a stack that was started lives on and may hold them.
  const code = await new Promise((resolve) => child.once('exit', resolve));
  const told = { out: out?.() ?? '', err: err?.() ?? '' };
  expect([code, code === 0 ? '' : `${told.out}\n${told.err}`]).toEqual([0, '']);
  return told;
}

/** When the newcomer began. */
const begunMs = performance.now();

test('a newcomer starts in ten minutes: from the clone to an action that is verified and replayed', async () => {
  const { out } = await follow('tutorial/start.md');
  expect(out).toContain('"rows": 2');
  expect(out).toMatch(/http:\/\/127\.0\.0\.1:\d+\/console\/local#key=ptk_/);
  expect(out).toContain('VERIFIED');
  expect(out).toContain('The attempt agrees.');
}, 400_000);

test('a newcomer’s own plugin is made, tested, live and called, and rolled back', async () => {
  const { out } = await follow('tutorial/first-plugin.md', ['8099']);
  expect(out).toContain('2 ok, 0 not');
  expect(out.match(/"status": "up"/g)?.length).toBe(2);
  expect(out).toMatch(/\* +1\.0\.0/);
  const minutes = (performance.now() - begunMs) / 60_000;
  console.log(`the newcomer’s path took ${minutes.toFixed(1)} min`);
}, 300_000);

test('what the guide tells an auditor to do works as it stands there', async () => {
  const { out } = await follow('how-to/audit-the-evidence.md');
  expect(out).toContain('VERIFIED');
  expect(out).toMatch(/FALSIFIED.+ {2}entry \d+ +entry\.canonical .+refused with exit code 1/s);
}, 240_000);

test('credentials are kept in Vault as the guide has it, and leave the engine when they are revoked', async () => {
  await using vault = await startVaultServer();
  const given = { VAULT_ADDR: vault.url, VAULT_TOKEN: vault.rootToken };
  const { out } = await follow('how-to/keep-credentials-in-vault.md', [], given);
  expect(out).toContain('"vault":"key-value"');
  const [, id = '?'] = /(cred_\S+) {2}example/.exec(out) ?? [];
  expect(out).toContain(`"keys":["${id}/"]`);
  const left = 'secret/metadata/portarium/workspaces?list=true';
  await expect(vault.call('GET', left)).rejects.toThrow('404');
}, 240_000);

test('artifacts are kept in S3 as the guide has it, its locks are tried, and a workspace insists on them', async () => {
  await using minio = await startMinioServer();
  const { endpoint: S3_ENDPOINT, accessKey: ACCESS_KEY, secretKey: SECRET_KEY } = minio;
  const guide = 'how-to/keep-artifacts-in-s3.md';
  const { out, err } = await follow(guide, [], { S3_ENDPOINT, ACCESS_KEY, SECRET_KEY });
  const held = `minio at ${S3_ENDPOINT}: 14 of 14 checks of its locks held`;
  expect(out.split(held)).toHaveLength(3);
  expect(out).toContain(`${held}, which is evidence (store.probed in _instance)`);
  expect(out).toContain('"evidenceStore":"minio"');
  expect(out.match(/^Regulated: /gm)).toHaveLength(2);
  expect(err).toContain(
    `Artifacts are not in it: they are in the evidence store at ${S3_ENDPOINT}`,
  );
  expect(out + err).not.toContain(SECRET_KEY);
}, 300_000);

test('a backup is made and restored as the guide for servers has it', async () => {
  const { out } = await follow('how-to/run-on-a-server.md');
  expect(out).toMatch(/is as it was at 20\S+: \d+ files, each verified\./);
}, 240_000);

test('the trial of a safe write works as it stands in the guide, and leaves nothing behind', async () => {
  const { out, err } = await follow('how-to/make-a-safe-write.md', ['12111', '12112']);
  expect(out).toMatch(/granted {2}1 of 1 person agreed/);
  expect(out).toMatch(/POST http:\/\/127\.0\.0\.1:\d+\/v1\/refunds +allowed +- +200/);
  expect(out).toContain('VERIFIED');
  expect(out).toContain('The attempt agrees. The bundle is verified.');
  expect(err).not.toContain('WARNING');
  expect(readdirSync(temporary)).toEqual([]);
}, 240_000);
