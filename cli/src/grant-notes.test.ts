import { expect, test } from 'bun:test';
import { EgressSchema } from '@portarium/client/answers';
import { GrantableOperatorRulesSchema } from '@portarium/contracts/grantable-rules';
import * as v from 'valibot';
import { EXAMPLE } from './commands/plugin-egress.ts';
import { egressNotes } from './grant-notes.ts';

const RULE = {
  id: 'status',
  methods: ['GET', 'HEAD'],
  scheme: 'https',
  host: 'api.example.com',
  port: 443,
  path: '/v1/{id}',
  query: ['limit'],
};
const OTHER = { ...RULE, id: 'other', methods: ['POST'], path: '/v2', query: [] };
const SLOT = { slot: 'pay', kind: 'bearer', host: 'api.example.com', description: '' };
type Credentials = NonNullable<Parameters<typeof egressNotes>[1]>;

function notes(asked: object[], granted: object[], networks: string[] = [], live?: Credentials) {
  const plugin = { name: 'p', version: '1.0.0', rules: asked, credentials: [SLOT] };
  const egress = v.parse(EgressSchema, { plugin, operator: { rules: granted, networks } });
  return egressNotes(egress, live).join('\n');
}

test('a plugin is said to reach nothing only when nothing is asked for or nothing granted', () => {
  expect(notes([], [RULE])).toContain('reaches nothing');
  expect(notes([RULE], [])).toContain('plugin grant p --own');
  const inForce = notes([RULE], [RULE]);
  expect(inForce).not.toContain('nothing');
  expect(inForce).toContain('every version of p: rules status');
});

test('a grant that is narrower, one that is missing and one that is of no use are told apart', () => {
  const narrower = { ...RULE, id: 'mine', path: '/v1/7', methods: ['GET'] };
  const told = notes([RULE, OTHER], [narrower]);
  expect(told).toContain('Granted narrower than asked for: status.');
  expect(told).toContain('Asked for and not granted: other.');
  expect(told).not.toContain('WARNING');
  for (const wider of [RULE, { ...RULE, path: '/**', query: ['limit', 'page'] }]) {
    expect(notes([RULE], [wider]).split('\n')).toHaveLength(1);
  }
  for (const [change, part] of [
    [{ host: 'api.example.org' }, 'host'],
    [{ scheme: 'http' }, 'scheme'],
    [{ port: 8443 }, 'port'],
    [{ path: '/v3' }, 'path'],
    [{ path: '/v2' }, 'methods'],
    [{ credential: 'gitlab' }, 'credential'],
  ] as const) {
    const told = notes([RULE, OTHER], [RULE, OTHER, { ...RULE, id: 'stray', ...change }]);
    expect([change, told]).toEqual([
      change,
      expect.stringContaining(
        `match nothing it asks for: stray (no rule of the plugin has its ${part})`,
      ),
    ] as never);
    expect(told).not.toContain('not granted:');
  }
});

test('a closed host comes with the whole command that opens it', () => {
  const local = { ...RULE, host: '127.0.0.1' };
  expect(notes([local], [local])).toContain('127.0.0.1 stays closed');
  expect(notes([local], [local], ['loopback'])).not.toContain('--network');
  const hosts = [local, { ...RULE, host: '10.0.0.5' }, { ...RULE, host: '[fd00::5]' }];
  expect(notes(hosts, hosts, ['192.168.7.0/24'])).toEndWith(
    'portarium plugin grant p --network 192.168.7.0/24 loopback 10.0.0.5/32 fd00::5/128',
  );
});

test('a credential that could not be sent, or that there is none of, is told', () => {
  const pays = { ...RULE, credential: 'pay' };
  const missing = /credential pay .*credential create pay --host api\.example\.com/;
  expect(notes([pays], [pays], [], [])).toMatch(missing);
  const live = { ...{ id: 'cred_1', name: 'pay', host: 'api.example.com' }, version: 1 };
  expect(notes([pays], [pays], [], [live as never])).not.toContain('WARNING');
  expect(notes([pays], [pays], [], [{ ...live, revokedAt: 'then' } as never])).toMatch(missing);
  expect(notes([pays], [pays])).not.toContain('WARNING');
  const plain = { ...pays, scheme: 'http' };
  expect(notes([plain], [plain])).toContain('pay goes over https only');
  const both = { ...pays, headers: ['authorization'] };
  expect(notes([both], [both])).toContain('the header authorization beside a credential');
});

test('the rule that the help shows is one that can be granted', () => {
  expect(v.safeParse(GrantableOperatorRulesSchema, JSON.parse(EXAMPLE)).success).toBe(true);
});
