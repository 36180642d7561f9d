/** What is applied to each target, what is pending, what failed, and which processes still run on which schema. */
import { connect } from '../connect.ts';
import { type EachOptions, lookAtTargets } from './each-target.ts';
import { pendingOf } from './journal.ts';
import { liveLeases, type SchemaLease } from './leases.ts';

export interface TargetStatus {
  /** `global`, `tenant` or `workspace/ID`; with the folder behind it where a target has both. */
  readonly target: string;
  /** The newest version that is applied; 0 before the first. */
  readonly version: number;
  readonly pending: readonly string[];
  /** Contracts that were not asked for yet. */
  readonly contracts: readonly string[];
  /** Files whose last run failed. */
  readonly failed: readonly string[];
  /** Why journal and files do not fit together. */
  readonly problem?: string;
}

export interface MigrationStatus {
  readonly targets: readonly TargetStatus[];
  readonly leases: readonly SchemaLease[];
}

export async function migrationStatus(options: EachOptions): Promise<MigrationStatus> {
  const targets: TargetStatus[] = [];
  const nothing = { version: 0, pending: [], contracts: [], failed: [] };
  await lookAtTargets(
    options,
    ({ target, set, files, journal }) => {
      const name = target.sets.length > 1 ? `${target.name} ${set.files}` : target.name;
      const version = Math.max(
        0,
        ...journal.filter(({ success }) => success).map((row) => row.version),
      );
      const failed = journal.filter(({ success }) => !success).map((row) => row.name);
      try {
        const { expand, contract } = pendingOf(name, files, journal);
        const names = (of: typeof expand) => of.map((file) => file.name);
        targets.push({
          ...{ target: name, version, failed },
          ...{ pending: names(expand), contracts: names(contract) },
        });
      } catch (error) {
        const problem = (error as Error).message;
        targets.push({ ...nothing, target: name, version, failed, problem });
      }
    },
    ({ name }, { message }) => targets.push({ ...nothing, target: name, problem: message }),
  );
  const sql = connect(options.ownerUrl, { max: 1, name: 'portarium-migrate' });
  try {
    return { targets, leases: await liveLeases(sql).catch(() => []) };
  } finally {
    await sql.end({ timeout: 5 });
  }
}
