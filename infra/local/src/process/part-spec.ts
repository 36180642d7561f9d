/** What the supervisor must know about one part of the stack. Types only. */

import type { SystemUser } from '../postgres-user.ts';
import type { PartName } from '../progress.ts';

export interface LaunchCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Runs as this user; ourselves otherwise. */
  readonly user?: SystemUser;
}

export interface PartSpec {
  readonly part: PartName;
  /** Loopback port that it serves. */
  readonly port: number;
  /** Called before each start; may resolve files or clear what the last run left. */
  readonly prepare: () => Promise<LaunchCommand>;
  /** Whether it serves now. Called every few milliseconds; must not reject. */
  readonly isReady: () => Promise<boolean>;
  /**
   * Whether it answers at all, however busy or unready. Asked every few seconds once it is ready;
   * must not reject and must give up by itself.
   */
  readonly answers: () => Promise<boolean>;
  /** What people should know of it once it is ready; must not reject. */
  readonly tells?: () => Promise<string | undefined>;
  /** Longest wait for readiness after a start. */
  readonly readyTimeoutMs: number;
  readonly stopSignal: NodeJS.Signals;
  /** Longest wait for a clean end before it is killed. */
  readonly stopTimeoutMs: number;
  /** What the kernel sends when the supervisor dies. */
  readonly deathSignal: 'KILL' | 'INT';
}
