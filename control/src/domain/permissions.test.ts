import { expect, test } from 'bun:test';
import { PERMISSIONS, type Permission, permits, ROLES } from './permissions.ts';

const ALL = Object.keys(PERMISSIONS) as Permission[];

test('each role has exactly the permissions of its column, in its own workspace only', () => {
  for (const role of ROLES) {
    for (const permission of ALL) {
      const named = (PERMISSIONS[permission] as readonly string[]).includes(role);
      const instanceOnly = [
        'workspace.create',
        'workspace.list',
        'log-key.rotate',
        'store.probe',
        'attempt.run',
      ].includes(permission);
      expect([role, permission, permits({ role, workspace: 'own' }, permission, 'own')]).toEqual([
        role,
        permission,
        named && !instanceOnly,
      ]);
      expect([
        role,
        permission,
        permits({ role, workspace: 'own' }, permission, 'foreign'),
      ]).toEqual([role, permission, false]);
      expect([role, permission, permits({ role, workspace: 'own' }, permission)]).toEqual([
        role,
        permission,
        false,
      ]);
    }
  }
});

test('a key of the instance reaches every workspace with its role’s permissions', () => {
  for (const permission of ALL) {
    const named = (PERMISSIONS[permission] as readonly string[]).includes('admin');
    expect(permits({ role: 'admin', workspace: null }, permission, 'any')).toBe(named);
  }
});

test('only sandbox hosts run attempts, and they do nothing else', () => {
  for (const permission of ALL) {
    expect(permits({ role: 'sandbox-host', workspace: null }, permission, 'any')).toBe(
      permission === 'attempt.run',
    );
  }
});
