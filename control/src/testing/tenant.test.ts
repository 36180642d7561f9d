import { expect, test } from 'bun:test';
import { Boundary, type Tenant } from './tenant.ts';

function tenant(id: string, number: number): Tenant {
  const known = { actions: [], waiting: [], credentials: [], holds: [], keys: [], approvals: [] };
  return { id, tier: 'A', mark: `mark${number}x`, number, key: '', approver: '', known };
}
const [one, two] = [tenant('iso-a', 1), tenant('iso--a', 2)] as const;
const id = (kind: string, digit: string) => `${kind}_${digit.repeat(32)}`;

test('an answer with the mark, the name or an id of another workspace is found', () => {
  for (const answer of [
    `{"owner":"${two.mark}"}`,
    `/v1/workspaces/${two.id}/actions`,
    `{"id":"${id('act', '2')}"}`,
    `secret-of-${one.mark}`,
  ]) {
    const boundary = new Boundary([one, two], [id('key', '0')]);
    boundary.judge(two, 'action', id('act', '2'));
    expect(boundary.found).toEqual([]);
    boundary.judge(one, 'action', answer);
    expect([answer, boundary.found.length]).toEqual([answer, 1]);
  }
});

test('its own marks and ids, those of the instance, and what it asked for are not', () => {
  const boundary = new Boundary([one, two], [id('key', '0')]);
  boundary.judge(two, 'action', id('act', '2'));
  boundary.judge(one, 'action', `${one.mark} ${one.id} ${id('act', '1')} ${id('key', '0')}`);
  boundary.judge(one, 'trespass', `there is no ${id('act', '2')} here`, [id('act', '2')]);
  expect(boundary.found).toEqual([]);
  expect([...boundary.marked]).toEqual([['action', 1]]);
});
