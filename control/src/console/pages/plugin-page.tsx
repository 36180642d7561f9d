import type { Egress, Plugin } from '@portarium/client/answers';
import { visibleLine } from '@portarium/client/visible-text';
import { useLive } from '../live.ts';
import { Badge } from '../parts/badge.tsx';
import { GrowthPart } from '../parts/growth-part.tsx';
import { Heading } from '../parts/heading.tsx';
import { JsonView } from '../parts/json-view.tsx';
import { TryForm } from '../parts/try-form.tsx';
import { VersionsPart } from '../parts/versions-part.tsx';
import { Loaded, useResource } from '../resource.tsx';
import { may, useSession } from '../session.ts';

/** One plugin: what it can do, what it may reach, how it was admitted; and a form to try it. */
export function PluginPage({ name }: { readonly name: string }) {
  const current = useSession();
  const { client } = current;
  const found = useResource(async () => {
    const [plugin, versions, egress] = await Promise.all([
      client.plugins.get(name),
      client.plugins.versions(name),
      may(current, 'egress.read') ? client.plugins.getEgress(name) : undefined,
    ]);
    return { plugin, versions, egress };
  }, [name]);
  useLive(found.reload, ({ type }) => /\.(plugin|egress)\./.test(type));
  return (
    <Loaded from={found}>
      {({ plugin, versions, egress }) => (
        <>
          <Heading title={name} aside={<Badge of={plugin.state} />} />
          {plugin.description && <p>“{visibleLine(plugin.description)}”</p>}
          <dl class="facts">
            <div>
              <dt>Version</dt>
              <dd>{plugin.version}</dd>
            </div>
            <div>
              <dt>Digest</dt>
              <dd>
                <code>{plugin.digest}</code>
              </dd>
            </div>
            {plugin.signature && (
              <div>
                <dt>Signed by</dt>
                <dd>
                  {plugin.signature.publisher} <code>{plugin.signature.fingerprint}</code>
                </dd>
              </div>
            )}
          </dl>
          {versions.items.some(waits) && (
            <section>
              <h2>Waiting for approval</h2>
              {versions.items.filter(waits).map((plugin) => (
                <GrowthPart key={plugin.version} plugin={plugin} reload={found.reload} />
              ))}
            </section>
          )}
          {may(current, 'action.request') && (
            <section>
              <h2>Try an operation</h2>
              <TryForm plugin={plugin} />
            </section>
          )}
          <section>
            <h2>Contract</h2>
            {egress ? (
              <Contract egress={egress} />
            ) : (
              <p class="quiet">This role does not read grants.</p>
            )}
          </section>
          <section>
            <h2>Admission</h2>
            <JsonView value={plugin.admission} label="Admission report" />
          </section>
          <section>
            <h2>Versions</h2>
            <VersionsPart name={name} found={versions} reload={found.reload} />
          </section>
        </>
      )}
    </Loaded>
  );
}

const waits = ({ state }: Plugin) => state === 'pending-approval';

type Rule = Egress['operator']['rules'][number];

/** What it asks for beside what it was granted; only what stands on both sides passes. */
function Contract({ egress }: { readonly egress: Egress }) {
  const { plugin, operator } = egress;
  if (plugin.rules.length === 0 && operator.rules.length === 0) {
    return <p>It asks for nothing and reaches nothing.</p>;
  }
  const same = (rule: Rule, others: readonly Rule[]) =>
    others.some((other) => ruleText(other) === ruleText(rule));
  return (
    <>
      <div class="columns">
        <RuleList
          title="It asks for"
          rules={plugin.rules}
          mark={(rule) => (same(rule, operator.rules) ? undefined : 'not granted as it stands')}
        />
        <RuleList
          title="Granted"
          rules={operator.rules}
          mark={(rule) => (same(rule, plugin.rules) ? undefined : 'not asked for as it stands')}
        />
      </div>
      <p class="quiet">
        A call passes when a rule of each side matches it. Grant with{' '}
        <code>./portarium plugin grant {plugin.name}</code>.
        {operator.networks.length > 0 && ` Networks opened: ${operator.networks.join(', ')}.`}
      </p>
    </>
  );
}

function ruleText({ methods, scheme, host, port, path, credential }: Rule): string {
  return visibleLine(
    `${methods.join(',')} ${scheme}://${host}:${port}${path}${credential ? ` with ${credential}` : ''}`,
  );
}

function RuleList(props: {
  readonly title: string;
  readonly rules: readonly Rule[];
  readonly mark: (rule: Rule) => string | undefined;
}) {
  const { title, rules, mark } = props;
  return (
    <div>
      <h3>{title}</h3>
      {rules.length === 0 && <p class="quiet">Nothing.</p>}
      <ul class="calls">
        {rules.map((rule) => (
          <li key={rule.id}>
            <code>{ruleText(rule)}</code>
            <p class="quiet">
              {rule.id}
              {rule.caCertificates && ', checked by private authorities only'}
              {rule.maxCalls !== undefined &&
                `, at most ${rule.maxCalls} ${rule.maxCalls === 1 ? 'call' : 'calls'}`}
              {rule.maxPerMinute !== undefined && `, at most ${rule.maxPerMinute} a minute`}
            </p>
            {mark(rule) !== undefined && <p class="mark">{mark(rule)}</p>}
          </li>
        ))}
      </ul>
    </div>
  );
}
