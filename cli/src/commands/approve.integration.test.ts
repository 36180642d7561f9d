import { afterEach, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Approval } from '@portarium/client/approval-answers';
import {
  REFUNDS,
  type SampleChanges,
  sampleApproval,
} from '@portarium/client/testing/sample-approval';

setDefaultTimeout(30_000);
const MAIN = join(import.meta.dirname, '..', 'main.ts');

interface Decided {
  readonly decision: string;
  readonly rationale: string;
  readonly digest: string;
  readonly egress?: readonly unknown[];
}

/** A Control Plane that shows this approval, honest or not, and what was decided there. */
function showing(approval: Approval) {
  const decided: Decided[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (request) => {
      if (request.method !== 'POST') return Response.json(approval);
      decided.push((await request.json()) as Decided);
      return Response.json({ ...approval, state: 'granted' });
    },
  });
  servers.push(server);
  return { url: server.url.href, decided };
}
const servers: { stop(force: boolean): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop(true);
});

function command(url: string, approval: Approval, args: readonly string[]): string[] {
  const where = ['--url', url, '--key', 'ptk_x', '--workspace', 'acme'];
  return [process.execPath, 'run', MAIN, 'approve', approval.id, ...where, ...args];
}

async function approve(changes: SampleChanges, ...args: string[]) {
  const approval = await sampleApproval(changes);
  const { url, decided } = showing(approval);
  const ran = Bun.spawn(command(url, approval, args), { stdin: 'ignore', stderr: 'pipe' });
  const [out, err] = await Promise.all([text(ran.stdout), text(ran.stderr)]);
  return { code: await ran.exited, out, err, decided, approval };
}

/** The same at a terminal, where a person answers each question that contains a key with its text. */
async function atTerminal(answers: Readonly<Record<string, string>>, ...args: string[]) {
  const approval = await sampleApproval();
  const { url, decided } = showing(approval);
  let screen = '';
  const left = new Map(Object.entries(answers));
  const ran = Bun.spawn(command(url, approval, args), {
    terminal: {
      data: (terminal, bytes) => {
        screen += new TextDecoder().decode(bytes);
        for (const [question, answer] of left) {
          if (!screen.includes(question)) continue;
          left.delete(question);
          terminal.write(answer);
        }
      },
    },
  });
  const code = await ran.exited;
  return { code, screen, decided, approval };
}

const YES = ['--yes', '--rationale', 'checked'];

test('without options it shows everything and decides nothing', async () => {
  const { code, out, decided, approval } = await approve({});
  expect([code, decided]).toEqual([0, []]);
  for (const part of ['"charge": "ch_1"', 'api.stripe.com', approval.digest]) {
    expect(out).toContain(part);
  }
});

test('a decision carries the digest that was computed from what is shown', async () => {
  const { code, decided, approval } = await approve({}, ...YES);
  expect([code, decided]).toEqual([
    0,
    [{ decision: 'approve', rationale: 'checked', digest: approval.digest }],
  ]);
  expect((await approve({}, '--deny', ...YES)).decided[0]?.decision).toBe('deny');
  const json = await approve({}, '--request-changes', ...YES, '--json');
  expect(json.decided[0]?.decision).toBe('request-changes');
  expect(JSON.parse(json.out)).toMatchObject({ state: 'granted' });
});

test('--egress shows what would be left of the calls, and sends the rules with the approval', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'portarium-egress-'));
  const file = join(folder, 'rules.json');
  const less = { ...REFUNDS, id: 'one-charge', maxCalls: 1, path: '/v1/refunds' };
  writeFileSync(file, JSON.stringify([less]));
  const { code, out, decided } = await approve({}, '--egress', file, ...YES);
  expect([code, decided[0]?.egress]).toEqual([0, [less]]);
  expect(out).toContain('create-refund → create-refund → one-charge  POST https://api.stripe.com');
  for (const [rules, part] of [
    ['[]', 'expected at least one rule'],
    [JSON.stringify([{ ...less, host: '*.co.uk' }]), '/0/host'],
    ['{', 'is not usable JSON'],
  ] as const) {
    writeFileSync(file, rules);
    const refused = await approve({}, '--egress', file, ...YES);
    expect([refused.code, refused.decided]).toEqual([2, []]);
    expect(refused.err).toContain(part);
  }
  const denied = await approve({}, '--egress', file, '--deny', ...YES);
  expect([denied.code, denied.decided]).toEqual([2, []]);
  rmSync(folder, { recursive: true });
});

test('a Control Plane that shows one thing and wants another approved gets no decision', async () => {
  const other = `sha256:${'0'.repeat(64)}` as const;
  const lies: SampleChanges[] = [
    { request: { input: { charge: 'ch_1', amount: 1 } } },
    { approval: { digest: other } },
    { statement: { workspace: 'elsewhere' as never } },
    { request: { credentials: [] } },
  ];
  for (const lie of lies) {
    for (const args of [YES, [...YES, '--json'], []]) {
      const { code, out, err, decided } = await approve(lie, ...args);
      expect([code, decided]).toEqual([1, []]);
      expect(err).toContain('What is shown is not what would be approved');
      expect(out).not.toContain('Approval digest');
    }
  }
});

test('at a terminal it asks whether and why, and only yes decides', async () => {
  const agreed = await atTerminal({ '[y/N] ': 'y\r', 'Why? ': 'seen it\r' });
  expect([agreed.code, agreed.decided]).toEqual([
    0,
    [{ decision: 'approve', rationale: 'seen it', digest: agreed.approval.digest }],
  ]);
  for (const answer of ['\r', 'n\r', 'yep\r', '\u0004', '\u0003']) {
    const { code, screen, decided } = await atTerminal({ '[y/N] ': answer });
    expect([code, decided]).toEqual([1, []]);
    expect(screen).toContain('Nothing was decided');
  }
  const silent = await atTerminal({ '[y/N] ': 'y\r', 'Why? ': ' \r' });
  expect([silent.code, silent.decided]).toEqual([1, []]);
});

test('at a terminal, options answer questions', async () => {
  const args = ['--deny', '--rationale', 'no'];
  const { decided, screen } = await atTerminal({ 'Deny it? [y/N] ': 'yes\r' }, ...args);
  expect(decided[0]).toMatchObject({ decision: 'deny', rationale: 'no' });
  expect(screen).not.toContain('Why?');
});
