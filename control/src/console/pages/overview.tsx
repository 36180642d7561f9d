import type { ActionSummary, Usage } from '@portarium/client/answers';
import { useLive } from '../live.ts';
import { ActionTable } from '../parts/action-table.tsx';
import { Badge } from '../parts/badge.tsx';
import { Heading } from '../parts/heading.tsx';
import { Link } from '../parts/link.tsx';
import { UsageBars } from '../parts/usage-bars.tsx';
import { Loaded, useResource } from '../resource.tsx';
import { hrefOf } from '../router.ts';
import { may, useSession } from '../session.ts';

/** States in which somebody, or something, is expected to move. */
const MOVING = ['waiting-approval', 'waiting-manual', 'outcome-unknown', 'running'] as const;
const PAGE = 100;

/** What needs somebody now, what happened lately, and how the parts are. */
export function Overview() {
  const current = useSession();
  const { client, workspace } = current;
  const readsActions = may(current, 'action.read');
  const found = useResource(async () => {
    const [counts, recent, usage, health] = await Promise.all([
      readsActions
        ? Promise.all(MOVING.map((state) => client.actions.list({ state, limit: PAGE })))
        : [],
      readsActions ? client.actions.list({ limit: 8 }) : undefined,
      may(current, 'usage.read') ? client.usage() : undefined,
      client.health(),
    ]);
    return { counts, recent, usage, health };
  }, [workspace]);
  useLive(found.reload, ({ type }) => /\.(action|approval|attempt)\./.test(type));
  return (
    <>
      <Heading title="Overview" />
      <Loaded from={found}>
        {({ counts, recent, usage, health }) => (
          <>
            {counts.length > 0 && (
              <ul class="tiles">
                {MOVING.map((state, i) => (
                  <Tile
                    key={state}
                    state={state}
                    items={counts[i]?.items ?? []}
                    more={counts[i]?.next !== undefined}
                  />
                ))}
              </ul>
            )}
            {usage && <UsagePart usage={usage} />}
            {recent && (
              <section>
                <h2>Latest actions</h2>
                <ActionTable items={recent.items} empty={<FirstSteps />} />
              </section>
            )}
            <section>
              <h2>Parts</h2>
              <ul class="parts">
                {Object.entries(health.parts).map(([part, how]) => (
                  <li key={part}>
                    {part} <Badge of={how === 'ok' ? 'ok' : 'failed'} />
                    {how !== 'ok' && <span class="quiet"> {how}</span>}
                  </li>
                ))}
              </ul>
              <p class="quiet">Version {health.version}</p>
            </section>
          </>
        )}
      </Loaded>
    </>
  );
}

const TILES: Readonly<Record<string, string>> = {
  'waiting-approval': 'wait for approval',
  'waiting-manual': 'wait for a person’s work',
  'outcome-unknown': 'have an unknown outcome',
  running: 'are running',
};

function Tile(props: {
  readonly state: string;
  readonly items: readonly ActionSummary[];
  readonly more: boolean;
}) {
  const { state, items, more } = props;
  const { workspace } = useSession();
  const href =
    state === 'waiting-approval'
      ? hrefOf(workspace, 'approvals')
      : `${hrefOf(workspace, 'actions')}?state=${state}`;
  return (
    <li class={items.length > 0 && state !== 'running' ? 'tile warn' : 'tile'}>
      <Link href={href}>
        <strong>
          {items.length}
          {more ? '+' : ''}
        </strong>
        <span>{TILES[state]}</span>
      </Link>
    </li>
  );
}

function UsagePart({ usage }: { readonly usage: Usage }) {
  const sum = (pick: (day: Usage['days'][number]) => number) =>
    usage.days.reduce((total, day) => total + pick(day), 0).toLocaleString('en');
  return (
    <section>
      <h2>Last 30 days</h2>
      <UsageBars from={usage.from} to={usage.to} days={usage.days} />
      <dl class="facts">
        <Fact name="Actions" value={sum((day) => day.actions)} />
        <Fact name="Succeeded" value={sum((day) => day.succeeded)} />
        <Fact name="Failed" value={sum((day) => day.failed)} />
        <Fact name="Egress calls" value={sum((day) => day.egressCalls)} />
        <Fact name="CPU" value={`${sum((day) => day.cpuMs)} ms`} />
      </dl>
    </section>
  );
}

function Fact(props: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd>{props.value}</dd>
    </div>
  );
}

function FirstSteps() {
  const { workspace } = useSession();
  return (
    <p class="quiet">
      Nothing has been asked for yet. Push a plugin (<code>./portarium plugin push DIR</code>), then
      try one of its operations under <Link href={hrefOf(workspace, 'plugins')}>Plugins</Link>.
    </p>
  );
}
