import type { Plugin } from '@portarium/client/answers';
import { visibleLine } from '@portarium/client/visible-text';
import { useLive } from '../live.ts';
import { Badge } from '../parts/badge.tsx';
import { Heading } from '../parts/heading.tsx';
import { Link } from '../parts/link.tsx';
import { Time } from '../parts/time.tsx';
import { Loaded, useResource } from '../resource.tsx';
import { hrefOf } from '../router.ts';
import { useSession } from '../session.ts';

/** The plugins of the workspace, each with its newest version. */
export function PluginsPage() {
  const { client, workspace } = useSession();
  const list = useResource(() => client.plugins.list(), [workspace]);
  useLive(list.reload, ({ type }) => type.includes('.plugin.'));
  return (
    <>
      <Heading title="Plugins" />
      <Loaded from={list}>
        {(plugins) =>
          plugins.length === 0 ? (
            <p class="quiet">
              None yet. Make one: <code>./portarium plugin new hello</code>, then{' '}
              <code>./portarium plugin push hello</code>.
            </p>
          ) : (
            <ul class="cards">
              {[...Map.groupBy(plugins, ({ name }) => name)].map(([name, versions]) => (
                <Card key={name} name={name} versions={versions} />
              ))}
            </ul>
          )
        }
      </Loaded>
    </>
  );
}

function Card({ name, versions }: { readonly name: string; readonly versions: readonly Plugin[] }) {
  const { workspace } = useSession();
  const [newest] = versions;
  if (!newest) return null;
  return (
    <li class="card">
      <h2>
        <Link href={hrefOf(workspace, 'plugins', name)}>{name}</Link>
      </h2>
      <p>
        {newest.version} <Badge of={newest.state} />{' '}
        <span class="quiet">
          {newest.createdAt && <Time at={newest.createdAt} />}
          {versions.length > 1 && `, ${versions.length} versions`}
        </span>
      </p>
      {newest.description && <p class="quiet">“{visibleLine(newest.description)}”</p>}
      <p>
        {newest.operations?.map(({ name: operation, effect }) => (
          <span key={operation} class="operation">
            {operation} <Badge of={effect} />
          </span>
        ))}
      </p>
    </li>
  );
}
