import type { Plugin } from '@portarium/client/answers';
import type { Approval } from '@portarium/client/approval-answers';
import { EFFECTS } from '@portarium/contracts/life-cycle';
import { useKeys } from '../keys.ts';
import { useLive } from '../live.ts';
import { ApprovalPart } from '../parts/approval-part.tsx';
import { Badge } from '../parts/badge.tsx';
import { Heading } from '../parts/heading.tsx';
import { Link } from '../parts/link.tsx';
import { Time } from '../parts/time.tsx';
import { Loaded, useResource } from '../resource.tsx';
import { address, hrefOf, navigate, withQuery } from '../router.ts';
import { useSession } from '../session.ts';

const STATES = ['open', 'granted', 'denied', 'changes-requested', 'expired', 'voided'] as const;

/** What waits for people, the riskiest and oldest first; and what was decided. */
export function ApprovalsPage({ chosen }: { readonly chosen: string | undefined }) {
  const { client, workspace } = useSession();
  const state = address.value.searchParams.get('state') ?? 'open';
  const list = useResource(async () => {
    const page = await client.approvals.list({ limit: 100, ...(isState(state) ? { state } : {}) });
    return state === 'open' ? page.items.toSorted(byRisk) : page.items;
  }, [state]);
  const grown = useResource(async () => {
    const plugins = state === 'open' ? await client.plugins.list() : [];
    return plugins.filter((plugin) => plugin.state === 'pending-approval');
  }, [state]);
  useLive(list.reload, ({ type }) => type.includes('.approval.'));
  useLive(grown.reload, ({ type }) => type.includes('.plugin.'));
  const search = state === 'open' ? '' : `?state=${state}`;
  const go = (id: string | undefined) =>
    navigate(`${hrefOf(workspace, 'approvals', id)}${search}`, { replace: true });
  const ids = (list.value ?? []).map(({ id }) => id);
  useKeys((key) => {
    const at = chosen === undefined ? -1 : ids.indexOf(chosen);
    if (key === 'j') go(ids[Math.min(at + 1, ids.length - 1)]);
    else if (key === 'k') go(ids[Math.max(at - 1, 0)]);
    else if (key === 'Escape') go(undefined);
    else return false;
    return true;
  });
  return (
    <>
      <Heading title="Approvals" aside={<Keys />} />
      <div class="filters">
        <label>
          State
          <select
            value={state}
            onChange={(event) => navigate(withQuery({ state: event.currentTarget.value }))}
          >
            {STATES.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </label>
      </div>
      {grown.value !== undefined && grown.value.length > 0 && <Grown plugins={grown.value} />}
      <div class="inbox">
        <Loaded from={list}>
          {(items) =>
            items.length === 0 ? (
              <p class="quiet">
                {state === 'open' ? 'Nothing waits for anybody.' : 'There is none.'}
              </p>
            ) : (
              <ul class="list" aria-label="Approvals">
                {items.map((approval) => (
                  <Row key={approval.id} approval={approval} chosen={chosen} search={search} />
                ))}
              </ul>
            )
          }
        </Loaded>
        {chosen !== undefined && <ApprovalPart key={chosen} id={chosen} />}
      </div>
    </>
  );
}

/** Versions that could do more than what runs; their page shows what, and takes the decision. */
function Grown({ plugins }: { readonly plugins: readonly Plugin[] }) {
  const { workspace } = useSession();
  return (
    <ul class="list" aria-label="Plugin versions">
      {plugins.map(({ name, version, state }) => (
        <li key={`${name}@${version}`}>
          <Link href={hrefOf(workspace, 'plugins', name)}>
            <span>
              <Badge of={state} /> <strong>{name}</strong> {version}
            </span>
            <span class="quiet">This version could do more than the one that runs.</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

function isState(state: string): state is (typeof STATES)[number] {
  return (STATES as readonly string[]).includes(state);
}

function byRisk(a: Approval, b: Approval): number {
  const risk = ({ statement }: Approval) => EFFECTS.indexOf(statement.effect);
  return risk(b) - risk(a) || a.createdAt.localeCompare(b.createdAt);
}

function Row(props: {
  readonly approval: Approval;
  readonly chosen: string | undefined;
  readonly search: string;
}) {
  const { approval, chosen, search } = props;
  const { workspace } = useSession();
  const { id, statement, plugin, createdAt, decideBefore, state } = approval;
  return (
    <li>
      <Link href={`${hrefOf(workspace, 'approvals', id)}${search}`} current={id === chosen}>
        <span>
          <Badge of={statement.effect} /> <strong>{statement.operation}</strong>
        </span>
        <span class="quiet">{plugin}</span>
        <span class="quiet">
          <Time at={createdAt} />
          {state === 'open' && (
            <>
              , to be decided <Time at={decideBefore} />
            </>
          )}
        </span>
      </Link>
    </li>
  );
}

function Keys() {
  return (
    <p class="quiet keys">
      <kbd>j</kbd> <kbd>k</kbd> next and previous · <kbd>a</kbd> approve · <kbd>d</kbd> deny ·{' '}
      <kbd>r</kbd> ask for changes
    </p>
  );
}
