/** What a sandbox host says of the isolation of its cells, for people. */
import { ISOLATION_LEVELS } from '@portarium/contracts/internal-api';
import * as v from 'valibot';

const IsolationSchema = v.object({
  isolation: v.string(),
  /** Reasons, by level. */
  isolationMissing: v.record(v.string(), v.string()),
});

export interface Isolation {
  readonly level?: string;
  /** What better levels need, if any. */
  readonly missing?: string;
}

/** @param text JSON of `/healthz`, or of the sandbox's own command */
export function readIsolation(text: string): Isolation {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return {};
  }
  const parsed = v.safeParse(IsolationSchema, found);
  if (!parsed.success) return {};
  const { isolation, isolationMissing } = parsed.output;
  const reasons = Object.entries(isolationMissing).map(([level, reason]) => `${level}: ${reason}`);
  return {
    level: isolation,
    ...(reasons.length === 0 ? {} : { missing: reasons.join('; ') }),
  };
}

/** Whether cells get what is required, by names as people write them; false when one is no level. */
export function isReached(required: string, level: string): boolean {
  const levels: readonly string[] = ISOLATION_LEVELS;
  return levels.includes(required) && levels.indexOf(level) >= levels.indexOf(required);
}

/** One line, such as `isolation seccomp (namespaces+seccomp: bwrap is not on PATH; …)`. */
export function toldIsolation(text: string): string | undefined {
  const { level, missing } = readIsolation(text);
  if (level === undefined) return undefined;
  return `isolation ${level}${missing === undefined ? '' : ` (${missing})`}`;
}
