import { ACTION_STATES } from '@portarium/contracts/life-cycle';
import { useLive } from '../live.ts';
import { ActionTable } from '../parts/action-table.tsx';
import { Heading } from '../parts/heading.tsx';
import { Link } from '../parts/link.tsx';
import { Loaded, useResource } from '../resource.tsx';
import { address, navigate, withQuery } from '../router.ts';
import { may, useSession } from '../session.ts';

/** Actions, newest first. Filters and page stand in the address: it can be kept and sent. */
export function ActionsPage() {
  const current = useSession();
  const { client } = current;
  const query = address.value.searchParams;
  const filter = {
    ...(query.get('state') ? { state: query.get('state') ?? '' } : {}),
    ...(query.get('plugin') ? { plugin: query.get('plugin') ?? '' } : {}),
    ...(query.get('cursor') ? { cursor: query.get('cursor') ?? '' } : {}),
  };
  const page = useResource(() => client.actions.list({ ...filter, limit: 50 }), [filter]);
  const plugins = useResource(
    async () => (may(current, 'plugin.read') ? client.plugins.list() : []),
    [],
  );
  useLive(page.reload, ({ actionid }) => actionid !== undefined);
  const names = [...new Set((plugins.value ?? []).map(({ name }) => name))];
  const set = (name: string) => (event: Event & { readonly currentTarget: HTMLSelectElement }) =>
    navigate(withQuery({ [name]: event.currentTarget.value, cursor: undefined }));
  return (
    <>
      <Heading title="Actions" />
      <div class="filters">
        <label>
          State
          <select value={filter.state ?? ''} onChange={set('state')}>
            <option value="">any</option>
            {ACTION_STATES.map((state) => (
              <option key={state} value={state}>
                {state}
              </option>
            ))}
          </select>
        </label>
        <label>
          Plugin
          <select value={filter.plugin ?? ''} onChange={set('plugin')}>
            <option value="">any</option>
            {names.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Loaded from={page}>
        {({ items, next }) => (
          <>
            <ActionTable items={items} empty={<p class="quiet">No action is like that.</p>} />
            <nav class="pager" aria-label="Pages of the list">
              {filter.cursor && <Link href={withQuery({ cursor: undefined })}>Newest</Link>}
              {next !== undefined && <Link href={withQuery({ cursor: next })}>Older</Link>}
            </nav>
          </>
        )}
      </Loaded>
    </>
  );
}
