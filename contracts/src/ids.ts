/**
 * Identifiers: a type prefix and the 32 lowercase hexadecimal digits of a UUIDv7 (RFC 9562),
 * so that ids sort by creation time. Never reads a clock or a random source itself.
 */
import * as v from 'valibot';

export const ID_PREFIXES = {
  action: 'act',
  attempt: 'att',
  approval: 'apr',
  plugin: 'plg',
  policy: 'pol',
  credential: 'cred',
  hold: 'hld',
  key: 'key',
  event: 'evt',
  webhook: 'whk',
} as const;

export type IdKind = keyof typeof ID_PREFIXES;
export type Id<K extends IdKind> = string & { readonly __id: K };
export type ActionId = Id<'action'>;
export type AttemptId = Id<'attempt'>;
export type ApprovalId = Id<'approval'>;
export type KeyId = Id<'key'>;
export type EventId = Id<'event'>;
export type PluginId = Id<'plugin'>;
export type PolicyId = Id<'policy'>;
export type CredentialId = Id<'credential'>;
export type HoldId = Id<'hold'>;
export type WorkspaceId = string & { readonly __id: 'workspace' };

/** The reserved workspace whose evidence log holds the facts of the instance itself. */
export const INSTANCE_WORKSPACE = '_instance' as WorkspaceId;

function idSchema<K extends IdKind>(kind: K) {
  const prefix = ID_PREFIXES[kind];
  return v.pipe(
    v.string(),
    v.regex(
      new RegExp(`^${prefix}_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$`),
      `expected ${prefix}_ and the 32 lowercase hexadecimal digits of a UUIDv7`,
    ),
    v.transform((text) => text as Id<K>),
  );
}

export const ActionIdSchema = idSchema('action');
export const AttemptIdSchema = idSchema('attempt');
export const ApprovalIdSchema = idSchema('approval');
export const KeyIdSchema = idSchema('key');
export const EventIdSchema = idSchema('event');
export const PluginIdSchema = idSchema('plugin');
export const CredentialIdSchema = idSchema('credential');
export const HoldIdSchema = idSchema('hold');

/** A workspace id that a person may choose: 2 to 39 characters, `[a-z][a-z0-9-]*`. */
export const WorkspaceIdSchema = v.pipe(
  v.string(),
  v.regex(
    /^[a-z][a-z0-9-]{1,38}$/,
    'expected 2 to 39 characters: a lowercase letter, then lowercase letters, digits or hyphens',
  ),
  v.transform((text) => text as WorkspaceId),
);

/**
 * Builds an id from a time and randomness.
 * @param timeMs milliseconds since the Unix epoch, an integer in [0, 2^48)
 * @param random at least 10 random bytes; the first 10 are used
 */
export function makeId<K extends IdKind>(kind: K, timeMs: number, random: Uint8Array): Id<K> {
  if (!Number.isSafeInteger(timeMs) || timeMs < 0 || timeMs >= 2 ** 48) {
    throw new RangeError(`id time must be an integer in [0, 2^48), got ${timeMs}`);
  }
  if (random.length < 10) throw new RangeError(`id needs 10 random bytes, got ${random.length}`);
  const bytes = new Uint8Array(16);
  let rest = timeMs;
  for (let i = 5; i >= 0; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  bytes.set(random.subarray(0, 10), 6);
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  let hex = '';
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0');
  return `${ID_PREFIXES[kind]}_${hex}` as Id<K>;
}

/** The dashed UUID inside an id, as databases store it. */
export function uuidOf(id: string): string {
  const hex = id.slice(id.indexOf('_') + 1);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The inverse of {@link uuidOf}. */
export function idFromUuid<K extends IdKind>(kind: K, uuid: string): Id<K> {
  return `${ID_PREFIXES[kind]}_${uuid.replaceAll('-', '')}` as Id<K>;
}
