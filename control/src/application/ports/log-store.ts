/** The evidence log of one workspace as a tree: what the sealer reads and writes. */
import type { Digest } from '@portarium/contracts/digest';
import type { CompactRange } from '@portarium/contracts/merkle';
import type { LogEntryRecord } from './records.ts';

export interface CheckpointRecord {
  readonly size: number;
  /** The signed note, byte for byte. */
  readonly note: string;
  readonly range: CompactRange;
  /** Entries, a multiple of 256, whose full tiles are built and in the evidence store. */
  readonly tiled: number;
  /** Of the newest checkpoint that was put into the evidence store; 0 before the first. */
  readonly storedSize: number;
  /** When; RFC 3339. */
  readonly storedAt: string | undefined;
}

export const FREEZE_REASONS = ['behind', 'contradicted', 'altered'] as const;
/**
 * `behind`: the database has fewer entries than were signed. `contradicted`: they are not those that were
 * signed. `altered`: an entry is not what its hash or the chain says.
 */
export type FreezeReason = (typeof FREEZE_REASONS)[number];

/** Why a log takes no entry. */
export interface LogFreeze {
  readonly reason: FreezeReason;
  readonly detail: string;
  /** Entries in the database then. */
  readonly size: number;
  /** Of the newest checkpoint in the evidence store then. */
  readonly storedSize: number;
  readonly at: string;
}

/** Hashes of full tiles of the level below, in order from `index` on. */
export interface NewNodes {
  readonly level: number;
  readonly index: number;
  readonly hashes: readonly Uint8Array[];
}

export interface LogReads {
  /** Leaf hashes of entries with `seq >= from`, in order. */
  leafHashes(from: number, limit: number): Promise<readonly Digest[]>;
  /** Roots of full tiles of the level below, from `index` on; `level` is at least 1. */
  nodeHashes(level: number, index: number, limit: number): Promise<readonly Uint8Array[]>;
  logSize(): Promise<number>;
  checkpoint(): Promise<CheckpointRecord | undefined>;
  /** Undefined while the log takes entries. */
  logFreeze(): Promise<LogFreeze | undefined>;
  /** Every entry of the type `log-key.rotated`, in order. */
  keyRotations(): Promise<readonly LogEntryRecord[]>;
  /** The newest entry of the type `store.probed` about the store with that digest; of `_instance` only. */
  lastStoreProbe(store: Digest): Promise<LogEntryRecord | undefined>;
  /** Every entry that orders a disposal or tells its end, in order. */
  disposals(): Promise<readonly LogEntryRecord[]>;
}

export interface LogWrites {
  /**
   * Compare and set, durable once committed: the checkpoint becomes `next` if it is of `previousSize` still,
   * is not larger, and has its tiles as far as `previousTiled`; `nodes` are those of its new tiles.
   * @returns false when another sealer was first
   */
  replaceCheckpoint(
    previous: Pick<CheckpointRecord, 'size' | 'tiled'> | undefined,
    next: Pick<CheckpointRecord, 'size' | 'note' | 'range' | 'tiled'>,
    nodes: readonly NewNodes[],
  ): Promise<boolean>;
  /** Another note over the same tree, such as one with further signatures. @returns false when it has moved on */
  replaceNote(size: number, note: string): Promise<boolean>;
  /** The checkpoint of that size is in the evidence store. */
  markStored(size: number, at: string): Promise<void>;
  /** From the commit on the log takes no entry; waits for appends that are under way. */
  freezeLog(freeze: LogFreeze): Promise<void>;
  /** The log takes entries again. */
  thawLog(): Promise<void>;
  /**
   * Puts entries back, byte for byte, although the log is frozen, and leaves it as it was.
   * @returns false when the log does not end where `entries` begin
   */
  restoreEntries(entries: readonly RestoredEntry[]): Promise<boolean>;
}

export interface RestoredEntry extends LogEntryRecord {
  readonly type: string;
  readonly action: string | undefined;
  readonly actionSeq: number | undefined;
  readonly time: string;
}
