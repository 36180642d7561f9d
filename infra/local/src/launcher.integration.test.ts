/** The root script `portarium`, run as a person would. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { bunArguments } from './bun-arguments.ts';
import { REPOSITORY_ROOT } from './repository.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'portarium-launcher-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A folder whose every file that Bun looks at on its own would run code or set a variable. */
function makeHostile(): string {
  const evil = join(root, 'evil.ts');
  writeFileSync(evil, `await Bun.write(${JSON.stringify(join(root, 'ran'))}, '');`);
  writeFileSync(
    join(root, 'bunfig.toml'),
    'preload = ["./evil.ts"]\n[run]\npreload = ["./evil.ts"]\n',
  );
  writeFileSync(join(root, '.env'), `PORTARIUM_DATA=${join(root, 'from-env')}\n`);
  const paths = { commander: ['./evil.ts'], valibot: ['./evil.ts'] };
  writeFileSync(join(root, 'tsconfig.json'), JSON.stringify({ compilerOptions: { paths } }));
  return root;
}

test('nothing of the folder that portarium is started in runs or configures it', () => {
  const cwd = makeHostile();
  const { PORTARIUM_DATA: _data, ...inherited } = process.env;
  const env = { ...inherited, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
  const ran = spawnSync(join(REPOSITORY_ROOT, 'portarium'), ['status'], {
    cwd,
    env,
    encoding: 'utf8',
  });
  expect(ran.stderr).toBe('');
  expect(ran.stdout).toMatch(/^(stopped|starting|ready|stopping|failed) /);
  expect(ran.stdout).not.toContain('from-env');
  expect(existsSync(join(cwd, 'ran'))).toBe(false);
});

test('a program of ours in a hostile folder takes nothing from it', () => {
  const cwd = makeHostile();
  const program = join(root, 'inner', 'main.ts');
  mkdirSync(dirname(program));
  writeFileSync(program, 'console.log(process.env.PORTARIUM_DATA ?? "unset");');
  const ran = spawnSync(process.execPath, bunArguments(program), {
    cwd,
    env: { PATH: '/usr/bin:/bin' },
    encoding: 'utf8',
  });
  expect(ran.stdout).toBe('unset\n');
  expect(existsSync(join(cwd, 'ran'))).toBe(false);
});

/** A clone with nothing but the script, and a Bun that notes how often it installs. */
function makeClone(): { readonly script: string; readonly lock: string; readonly bin: string } {
  const bin = join(root, 'bin');
  mkdirSync(bin);
  mkdirSync(join(root, 'node_modules'));
  copyFileSync(join(REPOSITORY_ROOT, 'portarium'), join(root, 'portarium'));
  writeFileSync(join(root, 'package.json'), '{"packageManager": "bun@9.9.9"}');
  writeFileSync(
    join(bin, 'bun'),
    `#!/bin/sh
case $1 in
  --version) echo 9.9.9 ;;
  install) echo begin >>"${root}/installs"; /bin/sleep 0.3; echo end >>"${root}/installs" ;;
  *) echo started ;;
esac
`,
    { mode: 0o755 },
  );
  const lock = join(root, 'node_modules', '.portarium-owner');
  return { script: join(root, 'portarium'), lock, bin };
}

function launch(script: string, bin: string): Promise<{ code: number | null; text: string }> {
  return new Promise((resolve) => {
    const child = spawn(script, [], {
      env: { PATH: `${bin}:/usr/bin:/bin`, PORTARIUM_CACHE: join(root, 'cache') },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
    });
    child.once('close', (code) => resolve({ code, text }));
  });
}

test('an installation lock whose pid is now another process is taken over at once', async () => {
  const { script, lock, bin } = makeClone();
  symlinkSync(`${process.pid} of-another-boot-1`, lock);
  const began = Date.now();
  expect(await launch(script, bin)).toMatchObject({ code: 0 });
  expect(Date.now() - began).toBeLessThan(5_000);
});

test('many that wait for a dead owner install once, one at a time, and leave no lock', async () => {
  const { script, lock, bin } = makeClone();
  symlinkSync('999999999 of-another-boot-1', lock);
  const all = await Promise.all(Array.from({ length: 8 }, () => launch(script, bin)));
  expect(all.map(({ code }) => code)).toEqual(Array(8).fill(0));
  expect(readFileSync(join(root, 'installs'), 'utf8')).toBe('begin\nend\n');
  expect(readdirSync(dirname(lock))).toEqual(['.portarium-installed']);
}, 60_000);

test.skipIf(process.platform !== 'linux')(
  'a wait for a live owner ends after its time and names what to remove',
  async () => {
    const { script, lock, bin } = makeClone();
    // The owner: a live process with its true start time, as the script writes it.
    const boot = spawnSync('cut', ['-c1-8', '/proc/sys/kernel/random/boot_id'], {
      encoding: 'utf8',
    });
    const stat = readFileSync(`/proc/${process.pid}/stat`, 'utf8');
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    symlinkSync(`${process.pid} ${boot.stdout.trim()}-${start}`, lock);
    writeFileSync(join(bin, 'sleep'), '#!/bin/sh\n', { mode: 0o755 });
    const { code, text } = await launch(script, bin);
    expect(code).toBe(1);
    expect(text).toContain(`remove ${lock}`);
    expect(existsSync(join(root, 'installs'))).toBe(false);
  },
  60_000,
);
