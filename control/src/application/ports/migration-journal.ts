/**
 * What the migration journal holds and a log does not repeat yet. That of the instance repeats what was applied to global and
 * shared tables, that of a workspace of tier B or C what was applied to its own.
 */

export interface AppliedMigration {
  readonly target: string;
  readonly version: number;
  readonly name: string;
  readonly phase: string;
  /** Of the file. */
  readonly digest: string;
  readonly toolVersion: string;
  /** RFC 3339. */
  readonly appliedAt: string;
}

export interface MigrationReads {
  hasUntoldMigrations(): Promise<boolean>;
}

export interface MigrationWrites {
  /** In the order in which they were applied. From the commit on they are told: whoever takes them appends them. */
  takeUntoldMigrations(): Promise<readonly AppliedMigration[]>;
}
