/** The versions of a plugin: which run, for how much, by whom; and the button that stops one. */
import type { Plugin, PluginVersions } from '@portarium/client/answers';
import { quarantineText, shareText } from '@portarium/client/version-text';
import { useState } from 'preact/hooks';
import { Failure } from '../resource.tsx';
import { may, useSession } from '../session.ts';
import { Badge } from './badge.tsx';
import { Reason } from './reason.tsx';
import { Table } from './table.tsx';
import { Time } from './time.tsx';

export function VersionsPart(props: {
  readonly name: string;
  readonly found: PluginVersions;
  readonly reload: () => void;
}) {
  const { name, found, reload } = props;
  const current = useSession();
  const stoppable = found.items.filter(
    ({ state }) => state === 'active' || state === 'quarantined',
  );
  return (
    <>
      <Table heads={['Version', 'Share', 'State', 'Signed by', 'Digest', 'Uploaded']}>
        {found.items.map((one) => (
          <tr key={one.version}>
            <td>{one.version}</td>
            <td>{shareText(found, one)}</td>
            <td>
              <Badge of={one.state} />
              {one.quarantine && <p class="quiet">{quarantineText(one.quarantine)}</p>}
            </td>
            <td>{one.signature?.publisher}</td>
            <td>
              <code>{one.digest.slice(0, 23)}…</code>
            </td>
            <td>{one.createdAt && <Time at={one.createdAt} />}</td>
          </tr>
        ))}
      </Table>
      {may(current, 'plugin.quarantine') &&
        stoppable.map((one) => (
          <StopForm key={`${one.version} ${one.state}`} {...{ name, one, reload }} />
        ))}
    </>
  );
}

function StopForm(props: {
  readonly name: string;
  readonly one: Plugin;
  readonly reload: () => void;
}) {
  const { name, one, reload } = props;
  const { client } = useSession();
  const [error, setError] = useState<Error>();
  const stops = one.state === 'active';
  const send = async (_choice: string, rationale: string) => {
    try {
      await client.plugins.setQuarantine(name, one.version, { quarantined: stops, rationale });
      setError(undefined);
      reload();
    } catch (problem) {
      setError(problem instanceof Error ? problem : new Error(String(problem)));
    }
  };
  return (
    <details>
      <summary>{stops ? `Quarantine ${one.version}` : `Let ${one.version} run again`}</summary>
      {error && <Failure error={error} />}
      <Reason
        label="Why; it stands in the evidence"
        choices={[['send', stops ? 'Quarantine' : 'Lift the quarantine']]}
        onChoose={send}
      />
    </details>
  );
}
