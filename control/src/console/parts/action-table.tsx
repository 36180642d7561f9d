import type { ActionSummary } from '@portarium/client/answers';
import type { ComponentChildren } from 'preact';
import { hrefOf } from '../router.ts';
import { useSession } from '../session.ts';
import { Badge } from './badge.tsx';
import { Link } from './link.tsx';
import { Time } from './time.tsx';

export function ActionTable(props: {
  readonly items: readonly ActionSummary[];
  readonly empty: ComponentChildren;
}) {
  const { workspace } = useSession();
  if (props.items.length === 0) return <>{props.empty}</>;
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">State</th>
            <th scope="col">Operation</th>
            <th scope="col">Tier</th>
            <th scope="col">Attempts</th>
            <th scope="col">Asked for</th>
          </tr>
        </thead>
        <tbody>
          {props.items.map(({ id, state, plugin, operation, tier, attempts, createdAt, error }) => (
            <tr key={id}>
              <td>
                <Badge of={state} />
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
          ))}
        </tbody>
      </table>
    </div>
  );
}
