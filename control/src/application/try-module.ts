/**
 * Has an uploaded module compiled and instantiated in a cell of a sandbox host, and waits for the
 * verdict. The Control Plane gives no byte of a stranger to an engine. Until the upload is answered the
 * module lies where nothing runs it; after that it is gone from there.
 */
import { ADMISSION_RULES, type Finding } from '@portarium/admission/finding';
import type { Digest } from '@portarium/contracts/digest';
import type { PluginId, WorkspaceId } from '@portarium/contracts/ids';
import type { CandidateClaim, CandidateVerdict } from '@portarium/contracts/internal-api';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { plainText } from '@portarium/contracts/plain-text';
import { type Caller, type Context, SYSTEM_ACTOR } from './context.ts';
import { type Failure, failure, type Result, success } from './failure.ts';
import type { CandidateHost, CandidateRecord } from './ports/candidate-store.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';

/** Without a finding the host made an instance of it. */
export type Trial =
  | {
      readonly host: CandidateHost;
      readonly finding: Finding | undefined;
      readonly failure?: undefined;
    }
  /** No verdict came. `host`: who took it, if anybody did. */
  | {
      readonly host: CandidateHost | undefined;
      readonly finding?: undefined;
      readonly failure: Failure;
    };

/** The row outlives the wait by this, so that a host which is late is told so. */
const SLACK_MS = 5_000;
const POLL_MS = 1_000;

/** @returns the host's verdict, or that there is none; a failure when the workspace tries too many at once */
export async function tryModule(
  context: Context,
  workspace: WorkspaceId,
  candidate: {
    readonly plugin: PluginId;
    readonly moduleDigest: Digest;
    readonly module: Uint8Array;
  },
): Promise<Result<Trial>> {
  const { plugin } = candidate;
  const { candidates, candidateMs } = PLATFORM_LIMITS;
  const deadlineMs = context.clock.nowMs() + candidateMs;
  const kept = await context.store.submit(workspace, (tx) =>
    tx.insertCandidate(candidate, candidates, candidateMs + SLACK_MS),
  );
  if (!kept) {
    const detail = `The workspace has ${candidates} uploads under way; each is tried before it is stored.`;
    return failure('rate.limited', detail);
  }
  try {
    const started = await context.dispatcher.admit(workspace, plugin).then(
      () => true,
      () => false,
    );
    if (!started) return notTried('Temporal, which calls a sandbox host for it, did not answer.');
    const tried = await waitForVerdict(context, workspace, plugin, deadlineMs);
    if (tried?.verdict && tried.takenBy) {
      return success({ host: tried.takenBy, finding: findingOf(tried.verdict.finding) });
    }
    const waited = `within ${candidateMs / 1_000} s`;
    return tried?.takenBy
      ? notTried(
          `A sandbox host took the module, and did not say what came of it ${waited}.`,
          tried.takenBy,
        )
      : notTried(`No sandbox host took the module ${waited}.`);
  } finally {
    await context.store.submit(workspace, (tx) => tx.deleteCandidate(plugin));
  }
}

function notTried(reason: string, host?: CandidateHost): Result<Trial> {
  return success({ host, failure: failure('plugin.not-tried', `${reason} Nothing was stored.`) });
}

async function waitForVerdict(
  context: Context,
  workspace: WorkspaceId,
  plugin: PluginId,
  deadlineMs: number,
): Promise<CandidateRecord | undefined> {
  for (;;) {
    // Subscribe before reading, so that a commit between the two is not missed.
    const leftMs = deadlineMs - context.clock.nowMs();
    const changed = context.signals.changed(
      workspace,
      plugin,
      Math.max(0, Math.min(leftMs, POLL_MS)),
    );
    const found = await context.store.read(workspace, (tx) => tx.findCandidate(plugin));
    if (!found || found.verdict || leftMs <= 0 || context.stopping.aborted) return found;
    await changed;
  }
}

/** What to do about it is ours to say; what was wrong is the host's claim, made safe to show. */
function findingOf(
  finding: NonNullable<CandidateRecord['verdict']>['finding'],
): Finding | undefined {
  if (!finding) return undefined;
  const { rule, message } = finding;
  return { rule, message: plainText(message, 1_000), hint: ADMISSION_RULES[rule][1] };
}

/**
 * The last trace of an upload that nobody answered: the Control Plane ended before, perhaps by it. Its
 * name and original digest are not known any more.
 */
export function appendCutOff(
  tx: WriteTransaction,
  { moduleDigest, takenBy }: CandidateRecord,
): void {
  tx.append({
    type: 'plugin.rejected',
    actor: SYSTEM_ACTOR,
    subject: {},
    data: { moduleDigest, rules: ['module.cut-off'], ...(takenBy ? { tried: takenBy } : {}) },
    trace: null,
  });
}

/** A sandbox host takes a module to try it. A later host takes it over, for the first may be lost. */
export async function takeCandidate(
  context: Context,
  caller: Caller,
  { workspace, plugin, isolation, engine }: CandidateClaim,
): Promise<Result<Uint8Array>> {
  const module = await context.store.submit(workspace, async (tx) => {
    const candidate = await tx.lockCandidate(plugin);
    if (!candidate || candidate.verdict) return undefined;
    await tx.takeCandidate(plugin, { host: caller.key.id, isolation, engine });
    return tx.candidateModule(plugin);
  });
  return module ? success(module) : nothingToTry(plugin);
}

/** Only who has it may speak, once, and about these bytes. */
export async function judgeCandidate(
  context: Context,
  caller: Caller,
  { workspace, plugin, moduleDigest, finding }: CandidateVerdict,
): Promise<Result<null>> {
  return context.store.submit(workspace, async (tx): Promise<Result<null>> => {
    const candidate = await tx.lockCandidate(plugin);
    if (!candidate || candidate.verdict) return nothingToTry(plugin);
    if (candidate.takenBy?.host !== caller.key.id) {
      return failure('conflict', `Another host has the module of ${plugin}.`);
    }
    if (candidate.moduleDigest !== moduleDigest) {
      return failure('conflict', `The module of ${plugin} is not the one that was tried.`);
    }
    await tx.putVerdict(plugin, { finding: finding ?? null });
    return success(null);
  });
}

function nothingToTry(plugin: PluginId): Result<never> {
  return failure('not-found', `No upload waits for a try of ${plugin}.`);
}
