import type { ActionSummary } from '@portarium/client/answers';
import type { ComponentChildren } from 'preact';
import { hrefOf } from '../router.ts';
import { useSession } from '../session.ts';
import { Badge } from './badge.tsx';
import { Link } from './link.tsx';
import { Table } from './table.tsx';
import { Time } from './time.tsx';

export function ActionTable(props: {
  readonly items: readonly ActionSummary[];
  readonly empty: ComponentChildren;
}) {
  const { workspace } = useSession();
  if (props.items.length === 0) return <>{props.empty}</>;
  return (
    <Table heads={['State', 'Operation', 'Tier', 'Attempts', 'Asked for']}>
      {props.items.map(
        ({ id, state, plugin, operation, tier, attempts, createdAt, error, dryRun }) => (
          <tr key={id}>
            <td>
              <Badge of={state} /> {dryRun && <span class="quiet">dry run</span>}
            </td>
            <td>
              <Link href={hrefOf(workspace, 'actions', id)}>
                {plugin.name} {operation}
              </Link>{' '}
              <span class="quiet">{plugin.version}</span>
              {error && <div class="quiet">{error.code}</div>}
            </td>
            <td>{tier ?? '–'}</td>
            <td>{attempts}</td>
            <td>
              <Time at={createdAt} />
            </td>
          </tr>
        ),
      )}
    </Table>
  );
}
