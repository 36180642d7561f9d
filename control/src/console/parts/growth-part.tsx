/** A plugin version that waits: what it could do that the one that runs can not, and the decision. */
import type { Plugin } from '@portarium/client/answers';
import { type CheckedGrowth, checkGrowth } from '@portarium/client/growth-check';
import { growthText } from '@portarium/client/growth-text';
import { useLive } from '../live.ts';
import { Failure, useResource } from '../resource.tsx';
import { useSession } from '../session.ts';
import { Badge } from './badge.tsx';
import { DecideForm, Decisions } from './decide-form.tsx';
import { Lines } from './lines.tsx';

export function GrowthPart(props: {
  readonly plugin: Pick<Plugin, 'name' | 'version'>;
  readonly reload: () => void;
}) {
  const { name, version } = props.plugin;
  const { client } = useSession();
  const shown = useResource(
    async () => checkGrowth(client, await client.plugins.version(name, version)),
    [name, version],
  );
  useLive(shown.reload, ({ type }) => type.includes('.plugin.'));
  const { value, error } = shown;
  const reload = () => {
    shown.reload();
    props.reload();
  };
  return (
    <article class="approval" aria-label={`Version ${version}`}>
      <header>
        <h3>
          {version} {value && <Badge of={value.version.state} />}
        </h3>
      </header>
      {error && <Failure error={error} retry={shown.reload} />}
      {!value && !error && <p class="quiet">Loading…</p>}
      {value && <Difference checked={value} />}
      {value && <p class="quiet">{publisherText(value.version)}</p>}
      {value && <Decisions approval={value.approval} />}
      {value?.version.state === 'pending-approval' && (
        <DecideForm
          choices={['approve', 'deny']}
          refusal={value.approval.refusal?.detail}
          send={(decision) =>
            client.plugins.decide(name, version, { ...decision, digest: value.digest })
          }
          reload={reload}
        />
      )}
    </article>
  );
}

function publisherText({ signature }: CheckedGrowth['version']): string {
  if (signature === undefined) return 'No publisher signed it.';
  return `Signed by the publisher ${signature.publisher}, key ${signature.fingerprint}.`;
}

function Difference({ checked }: { readonly checked: CheckedGrowth }) {
  const { approval, digest } = checked;
  const { from, growth } = approval.statement;
  if (growth.length === 0) {
    return <p>It can do no more than {from.version}, which runs by now.</p>;
  }
  return (
    <>
      <p>It could do this, which {from.version} can not:</p>
      <ul class="calls">
        {growth.map(growthText).map(({ title, lines }) => (
          <li key={title}>
            <strong>{title}</strong>
            {lines.length > 0 && <Lines lines={lines} label={title} />}
          </li>
        ))}
      </ul>
      <p class="quiet">
        What operators do not grant stays refused, in every version. Digest of the difference,
        computed in this browser from both manifests: <code>{digest}</code>.
      </p>
    </>
  );
}
