/** Who may do what: the one table. A test walks every cell of it. */

export const ROLES = ['admin', 'operator', 'approver', 'auditor', 'author', 'agent'] as const;
export type Role = (typeof ROLES)[number];
/** `sandbox-host` keys are made by the instance itself, never over the API. */
export type KeyRole = Role | 'sandbox-host';

export const PERMISSIONS = {
  'workspace.create': ['admin'],
  'workspace.list': ['admin'],
  'workspace.read': ['admin', 'operator', 'approver', 'auditor', 'author', 'agent'],
  'key.manage': ['admin'],
  'plugin.upload': ['admin', 'author'],
  'plugin.choose-version': ['admin', 'operator', 'author'],
  'plugin.quarantine': ['admin', 'operator'],
  'plugin-rules.manage': ['admin'],
  'publisher.manage': ['admin'],
  'plugin.read': ['admin', 'operator', 'approver', 'auditor', 'author', 'agent'],
  'egress.grant': ['admin', 'operator'],
  'egress.read': ['admin', 'operator', 'approver', 'auditor', 'author'],
  'action.request': ['admin', 'operator', 'agent'],
  'action.dry-run': ['admin', 'operator', 'approver', 'agent'],
  'action.read': ['admin', 'operator', 'approver', 'auditor', 'agent'],
  'action.cancel': ['admin', 'operator', 'agent'],
  'action.resolve': ['admin', 'operator'],
  'approval.read': ['admin', 'operator', 'approver', 'auditor', 'agent'],
  'approval.decide': ['admin', 'approver'],
  'approval-rules.manage': ['admin'],
  'limits.manage': ['admin'],
  'regulation.manage': ['admin'],
  'retention.lengthen': ['admin'],
  'hold.manage': ['admin', 'auditor'],
  'hold.read': ['admin', 'operator', 'approver', 'auditor'],
  'evidence.dispose': ['admin'],
  'credential.manage': ['admin'],
  'credential.read': ['admin', 'operator', 'approver', 'auditor'],
  'evidence.read': ['admin', 'operator', 'approver', 'auditor'],
  'evidence.export': ['admin', 'auditor'],
  'evidence.recover': ['admin'],
  'evidence.verify': ['admin', 'operator', 'auditor'],
  'reconciliation.read': ['admin', 'operator', 'auditor'],
  'reconciliation.run': ['admin', 'operator'],
  'log-key.rotate': ['admin'],
  'store.probe': ['admin', 'operator'],
  'event.read': ['admin', 'operator', 'approver', 'auditor', 'author', 'agent'],
  'usage.read': ['admin', 'operator', 'auditor'],
  'attempt.run': ['sandbox-host'],
} as const satisfies Record<string, readonly KeyRole[]>;

export type Permission = keyof typeof PERMISSIONS;

/** Permissions that a key bound to one workspace never has, whatever its role. */
export const INSTANCE_ONLY: ReadonlySet<Permission> = new Set([
  'workspace.create',
  'workspace.list',
  'log-key.rotate',
  'store.probe',
  'attempt.run',
]);

export interface Principal {
  readonly role: KeyRole;
  /** Null reaches every workspace. */
  readonly workspace: string | null;
}

/** @param workspace the workspace that the request names; undefined for the instance itself */
export function permits(principal: Principal, permission: Permission, workspace?: string): boolean {
  if (!(PERMISSIONS[permission] as readonly KeyRole[]).includes(principal.role)) return false;
  if (principal.workspace === null) return true;
  return !INSTANCE_ONLY.has(permission) && principal.workspace === workspace;
}
