/** What the migration journal of the instance holds and its log does not repeat yet. */

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
