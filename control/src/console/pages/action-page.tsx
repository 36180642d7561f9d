import type { Action, Attempt, EvidenceEntry, JournalCall } from '@portarium/client/answers';
import { ATTEMPT_ERRORS } from '@portarium/contracts/errors';
import { isFinal } from '@portarium/contracts/life-cycle';
import { useState } from 'preact/hooks';
import { useLive } from '../live.ts';
import { Badge } from '../parts/badge.tsx';
import { Heading } from '../parts/heading.tsx';
import { JsonView } from '../parts/json-view.tsx';
import { Link } from '../parts/link.tsx';
import { Reason } from '../parts/reason.tsx';
import { Time } from '../parts/time.tsx';
import { Timeline } from '../parts/timeline.tsx';
import { VerifyPart } from '../parts/verify-part.tsx';
import { Waterfall } from '../parts/waterfall.tsx';
import { WritesPart } from '../parts/writes-part.tsx';
import { Failure, Loaded, useResource } from '../resource.tsx';
import { hrefOf } from '../router.ts';
import { may, type Session, useSession } from '../session.ts';

interface Story {
  readonly action: Action;
  readonly journal: readonly JournalCall[];
  readonly attempts: readonly Attempt[];
  /** Undefined for a role that may not read evidence. */
  readonly entries: readonly EvidenceEntry[] | undefined;
}

async function readStory(current: Session, id: string): Promise<Story> {
  const { client } = current;
  const [action, journal, attempts, entries] = await Promise.all([
    client.actions.get(id),
    client.actions.journal(id),
    client.actions.attempts(id),
    may(current, 'evidence.read') ? allEntries(current, id) : undefined,
  ]);
  return { action, journal, attempts, entries };
}

async function allEntries({ client }: Session, action: string): Promise<readonly EvidenceEntry[]> {
  const entries: EvidenceEntry[] = [];
  let after = -1;
  for (;;) {
    const page = await client.evidence.page({ action, after, limit: 200 });
    entries.push(...page.items.map(({ entry }) => entry));
    if (page.next === undefined) return entries;
    after = page.next;
  }
}

/** One action: how it stands, what came of it, and everything that happened on the way. */
export function ActionPage({ id }: { readonly id: string }) {
  const current = useSession();
  const story = useResource(() => readStory(current, id), [id]);
  useLive(story.reload, ({ actionid }) => actionid === id);
  return (
    <Loaded from={story}>
      {({ action, journal, attempts, entries }) => (
        <>
          <Heading
            title={`${action.plugin.name} ${action.operation}`}
            aside={
              <>
                {action.dryRun && <Badge of="dry run" />} <Badge of={action.state} />
              </>
            }
          />
          <Facts action={action} />
          <NextStep action={action} reload={story.reload} />
          {action.error && <ErrorPart error={action.error} />}
          {action.dryRun && (
            <section>
              <h2>What it would send</h2>
              <WritesPart state={action.state} writes={action.writes ?? []} />
            </section>
          )}
          {action.output !== undefined && (
            <section>
              <h2>Output{action.writes?.length ? ', made from example answers' : ''}</h2>
              <JsonView value={action.output} label="Output" />
            </section>
          )}
          <section>
            <h2>Timeline</h2>
            <Timeline entries={entries} attempts={attempts} />
          </section>
          {journal.length > 0 && (
            <section>
              <h2>Egress calls</h2>
              <Waterfall calls={journal} attempts={attempts} />
            </section>
          )}
          <section>
            <h2>Evidence</h2>
            <p>
              Entries {action.evidence.from} to {action.evidence.to} of the log.
            </p>
            <VerifyPart action={id} />
          </section>
        </>
      )}
    </Loaded>
  );
}

function Facts({ action }: { readonly action: Action }) {
  const { workspace } = useSession();
  const { id, plugin, tier, attempts, createdAt, finishedAt, replaces, approval, decision } =
    action;
  return (
    <dl class="facts">
      <div>
        <dt>Action</dt>
        <dd>
          <code>{id}</code>
        </dd>
      </div>
      <div>
        <dt>Plugin</dt>
        <dd>
          <Link href={hrefOf(workspace, 'plugins', plugin.name)}>{plugin.name}</Link>{' '}
          {plugin.version}
        </dd>
      </div>
      <div>
        <dt>Tier</dt>
        <dd>{tier ?? 'denied by policy'}</dd>
      </div>
      <div>
        <dt>Asked for</dt>
        <dd>
          <Time at={createdAt} />
        </dd>
      </div>
      {finishedAt && (
        <div>
          <dt>Took</dt>
          <dd>{durationText(Date.parse(finishedAt) - Date.parse(createdAt))}</dd>
        </div>
      )}
      <div>
        <dt>Attempts</dt>
        <dd>{attempts}</dd>
      </div>
      {approval && (
        <div>
          <dt>Approval</dt>
          <dd>
            <Link href={hrefOf(workspace, 'approvals', approval.id)}>
              {approval.given} of {approval.quorum}
            </Link>{' '}
            <Badge of={approval.state} />
          </dd>
        </div>
      )}
      {decision && (
        <div>
          <dt>Decided by</dt>
          <dd>
            {decision.by}: {decision.outcome}
            {decision.rationale && <span class="quiet"> “{decision.rationale}”</span>}
          </dd>
        </div>
      )}
      {replaces && (
        <div>
          <dt>In place of</dt>
          <dd>
            <Link href={hrefOf(workspace, 'actions', replaces)}>
              <code>{replaces}</code>
            </Link>
          </dd>
        </div>
      )}
    </dl>
  );
}

function durationText(ms: number): string {
  if (ms < 10_000) return `${ms.toLocaleString('en')} ms`;
  return ms < 600_000 ? `${Math.round(ms / 1_000)} s` : `${Math.round(ms / 60_000)} min`;
}

function ErrorPart({
  error,
}: {
  readonly error: { readonly code: string; readonly message: string };
}) {
  const known = Object.hasOwn(ATTEMPT_ERRORS, error.code)
    ? ATTEMPT_ERRORS[error.code as keyof typeof ATTEMPT_ERRORS]
    : undefined;
  return (
    <div class="notice bad">
      <p>
        <strong>{known?.[0] ?? 'It failed'}</strong> <code>{error.code}</code>
      </p>
      <p>{error.message}</p>
      {known && <p>{known[1]}</p>}
    </div>
  );
}

/** What can be done now, for whoever may do it. */
function NextStep(props: { readonly action: Action; readonly reload: () => void }) {
  const current = useSession();
  const { action, reload } = props;
  const { id, state, approval } = action;
  const [error, setError] = useState<Error>();
  const run = async (step: () => Promise<unknown>) => {
    setError(undefined);
    await step().catch(setError);
    reload();
  };
  const resolvable = state === 'outcome-unknown' || state === 'waiting-manual';
  const cancellable = !isFinal(state) && state !== 'outcome-unknown';
  return (
    <>
      {state === 'waiting-approval' && approval && (
        <p class="notice warn">
          It waits until somebody agrees.{' '}
          <Link href={hrefOf(current.workspace, 'approvals', approval.id)}>
            See what would be sent, and decide
          </Link>
        </p>
      )}
      {resolvable && (
        <div class="notice warn">
          <p>
            {state === 'waiting-manual'
              ? 'A person carries this out, and then says what came of it.'
              : 'A write was sent and nobody saw its answer. Look in the system, then say what happened.'}
          </p>
          {may(current, 'action.resolve') && (
            <Reason
              label="How you know"
              choices={[
                ['succeeded', 'It happened'],
                ['failed', 'It failed'],
                ...(state === 'outcome-unknown'
                  ? ([['dispatched', 'It did not happen: send it again']] as const)
                  : []),
              ]}
              onChoose={(outcome, rationale) =>
                run(() =>
                  current.client.actions.resolve(id, {
                    outcome: outcome as 'succeeded' | 'failed' | 'dispatched',
                    rationale,
                  }),
                )
              }
            />
          )}
        </div>
      )}
      {cancellable && may(current, 'action.cancel') && (
        <details class="plain">
          <summary>Cancel it</summary>
          <Reason
            label="Why"
            choices={[['cancel', 'Cancel the action']]}
            onChoose={(_, rationale) => run(() => current.client.actions.cancel(id, { rationale }))}
          />
        </details>
      )}
      {error && <Failure error={error} />}
    </>
  );
}
