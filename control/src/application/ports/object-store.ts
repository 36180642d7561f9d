/** Immutable bytes under a retention: the artifacts of evidence and the log’s own objects. */
import type { Digest } from '@portarium/contracts/digest';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { RetentionClass } from '@portarium/contracts/retention-class';

export type StoreKind = 'directory' | 'minio';

/** What holds an artifact in the store. */
export interface ArtifactLock {
  /** By the store's own clock nobody can delete it before. */
  readonly retainUntilMs: number;
  /** Whether a legal hold keeps it beyond that. */
  readonly held: boolean;
}

export interface ListedArtifact {
  readonly digest: Digest;
  /** When it was written, by the store's own clock. */
  readonly writtenMs: number;
}

/** What became of an artifact that was to go. */
export type Removal =
  | { readonly outcome: 'removed' | 'absent' }
  | { readonly outcome: 'kept'; readonly why: 'retention' | 'hold' };

/** Artifacts by digest, and the log’s own objects by path. */
export interface ObjectStore {
  readonly kind: StoreKind;
  /** Where it is, for people: a folder, or an address with its buckets. */
  readonly place: string;
  /**
   * What a result of the lock battery is about: the adapter, its place, and whose rights this process has
   * there. Compared, never shown; without secrets.
   */
  readonly identity: string;
  /** Where it answers; undefined for one that is a folder. */
  readonly endpoint: string | undefined;
  /**
   * Durable and locked when it resolves, complete or absent when the process or the store is killed in
   * between. Storing the same bytes again extends the retention to the later date.
   */
  put(workspace: WorkspaceId, bytes: Uint8Array, retention: RetentionClass): Promise<Digest>;
  /** Verified against its digest. Rejects with `InfraError` when they differ. */
  get(workspace: WorkspaceId, digest: Digest): Promise<Uint8Array | undefined>;
  /** The latest lock on the artifact, in whichever classes it is kept; undefined when it is not there. */
  lockOf(workspace: WorkspaceId, digest: Digest): Promise<ArtifactLock | undefined>;
  /** Places or releases the store's own legal hold on an artifact; nothing happens to one that is not there. */
  setHold(workspace: WorkspaceId, digest: Digest, held: boolean): Promise<void>;
  /** Removes an artifact for good, unless retention or hold forbid it at that instant. */
  remove(workspace: WorkspaceId, digest: Digest): Promise<Removal>;
  /** Artifacts by ascending digest behind `after`, at most `limit`; in whichever classes they are kept. */
  listArtifacts(
    workspace: WorkspaceId,
    after: string,
    limit: number,
  ): Promise<readonly ListedArtifact[]>;
  /**
   * Writes an object of the log once, under the strictest retention. `path` has names of lowercase letters,
   * digits and `.-_`, separated by `/`. The same bytes again change nothing. Rejects with `InfraError` when
   * others stand there.
   */
  putLog(workspace: WorkspaceId, path: string, bytes: Uint8Array): Promise<void>;
  getLog(workspace: WorkspaceId, path: string): Promise<Uint8Array | undefined>;
  /** The first `limit` names in `folder`, in ascending order; none when there is no such folder. */
  listLog(workspace: WorkspaceId, folder: string, limit: number): Promise<readonly string[]>;
  ping(): Promise<void>;
  /** What the lock battery tries to break, apart from all evidence. */
  openProbe(): Promise<LockProbe>;
}

/** How long an artifact of the class is kept in the workspace, in milliseconds; never less than the class says. */
export type RetentionOf = (workspace: WorkspaceId, retention: RetentionClass) => Promise<number>;

/** One version of one object that a probe has written. */
export interface ProbeObject {
  readonly name: string;
  /** Empty where the store knows no versions. */
  readonly version: string;
}

export interface ProbeLock {
  readonly mode: string;
  readonly untilMs: number;
  readonly held: boolean;
}

/**
 * The means to break locks, as whoever has this process's rights has them. What tries something that a lock
 * forbids resolves to whether the store did it.
 */
export interface LockProbe extends AsyncDisposable {
  /** Writes under a new name. `lockMs` from now, or as the store locks what nobody says anything about. */
  write(bytes: Uint8Array, lockMs: number | 'default'): Promise<ProbeObject>;
  writeInParts(bytes: Uint8Array): Promise<ProbeObject>;
  /** That version, whatever else bears its name by now. */
  read(object: ProbeObject): Promise<Uint8Array | undefined>;
  lockOf(object: ProbeObject): Promise<ProbeLock | undefined>;
  /** Creates an object under a name only if there is none. */
  create(name: string, bytes: Uint8Array): Promise<boolean>;
  overwrite(object: ProbeObject, bytes: Uint8Array): Promise<boolean>;
  remove(object: ProbeObject): Promise<boolean>;
  /** Without naming a version: that leaves a delete marker where there are versions. */
  removeName(object: ProbeObject): Promise<boolean>;
  lockUntil(object: ProbeObject, untilMs: number): Promise<boolean>;
  /** To a mode that somebody with more rights could lift. */
  loosen(object: ProbeObject): Promise<boolean>;
  stopVersions(): Promise<boolean>;
  setHold(object: ProbeObject, held: boolean): Promise<boolean>;
  /** Goes around the store's front door, with all rights that this process has. */
  goAround(object: ProbeObject): Promise<boolean>;
}
