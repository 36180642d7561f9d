import type { Approval } from '@portarium/client/approval-answers';
import { type CheckedApproval, checkApproval } from '@portarium/client/approval-check';
import { doomsOf } from '@portarium/client/doomed-write';
import { inputLines } from '@portarium/client/exact-input';
import { lineDiff } from '@portarium/client/line-diff';
import { visibleLine } from '@portarium/client/visible-text';
import type { AllowedCall } from '@portarium/contracts/allowed-calls';
import { placementText } from '@portarium/contracts/credential-placement';
import { shownRule } from '@portarium/contracts/egress-rule';
import { useState } from 'preact/hooks';
import { useLive } from '../live.ts';
import { Failure, useResource } from '../resource.tsx';
import { hrefOf } from '../router.ts';
import { may, type Session, useSession } from '../session.ts';
import { Badge } from './badge.tsx';
import { DecideForm, Decisions } from './decide-form.tsx';
import { Lines } from './lines.tsx';
import { Link } from './link.tsx';
import { Time } from './time.tsx';
import { WritesPart } from './writes-part.tsx';

/** How long the button waits for what a dry run would send. */
const DRY_RUN_SECONDS = 20;

interface Shown {
  readonly approval: Approval;
  /** Undefined when what is shown is not what would be approved; `mismatch` says how. */
  readonly checked: CheckedApproval | undefined;
  readonly mismatch: string | undefined;
  readonly dooms: readonly string[];
}

async function readApproval(current: Session, id: string): Promise<Shown> {
  const { client, workspace } = current;
  const [approval, credentials] = await Promise.all([
    client.approvals.get(id),
    may(current, 'credential.read') ? client.credentials.list() : undefined,
  ]);
  try {
    const checked = await checkApproval(approval, workspace);
    return { approval, checked, mismatch: undefined, dooms: doomsOf(checked, credentials) };
  } catch (error) {
    return { approval, checked: undefined, mismatch: String(error), dooms: [] };
  }
}

/** One approval: exactly what would be sent, to where, with which credential; and the decision. */
export function ApprovalPart({ id }: { readonly id: string }) {
  const current = useSession();
  const shown = useResource(() => readApproval(current, id), [id]);
  useLive(shown.reload, ({ type }) => /\.(approval|egress|credential|action)\./.test(type));
  const { value, error } = shown;
  if (!value)
    return error ? <Failure error={error} retry={shown.reload} /> : <p class="quiet">Loading…</p>;
  const { approval, checked, mismatch, dooms } = value;
  return (
    <article class="approval" aria-label={`Approval of ${approval.statement.operation}`}>
      <header>
        <h2>
          {approval.statement.operation} <Badge of={approval.statement.effect} />{' '}
          <Badge of={approval.state} />
        </h2>
        <p>
          <Link href={hrefOf(current.workspace, 'actions', approval.action)}>See the action</Link>
        </p>
      </header>
      {mismatch !== undefined && (
        <p class="notice bad" role="alert">
          {mismatch}
        </p>
      )}
      {approval.stale === true && (
        <p class="notice warn">
          Something changed since it was asked for: no decision would hold any more.
        </p>
      )}
      {dooms.map((doom) => (
        <p key={doom} class="notice warn">
          {doom}
        </p>
      ))}
      {checked && <Request checked={checked} />}
      <DryRun approval={approval} reload={shown.reload} />
      <Decisions approval={approval} />
      {checked && approval.state === 'open' && (
        <DecideForm
          choices={['approve', 'deny', 'request-changes']}
          refusal={approval.refusal?.detail}
          narrows
          send={(decision) =>
            current.client.approvals.decide(approval.id, { ...decision, digest: checked.digest })
          }
          reload={shown.reload}
        />
      )}
    </article>
  );
}

function Request({ checked }: { readonly checked: CheckedApproval }) {
  const { approval, request, digest, encoding, calls } = checked;
  const { plugin, requestedBy, lastApproved, replaces, credentials, contract } = request;
  const lines = inputLines(request.input, encoding);
  return (
    <>
      <dl class="facts">
        <div>
          <dt>Plugin</dt>
          <dd>
            {plugin.name} {plugin.version}
            {plugin.description && <div class="quiet">“{visibleLine(plugin.description)}”</div>}
          </dd>
        </div>
        <div>
          <dt>Asked for by</dt>
          <dd>{visibleLine(requestedBy.owner)}</dd>
        </div>
        <div>
          <dt>To be decided</dt>
          <dd>
            <Time at={approval.decideBefore} />
          </dd>
        </div>
        <div>
          <dt>To be run</dt>
          <dd>
            <Time at={approval.statement.executeBefore} />
          </dd>
        </div>
      </dl>
      <h3>Input, exactly as the plugin gets it ({encoding})</h3>
      {lastApproved ? (
        <Difference
          before={inputLines(lastApproved.input, encoding)}
          after={lines}
          than="the last one that was approved and run"
        />
      ) : (
        <>
          <Lines lines={lines} label="Input" />
          <p class="quiet">No input of this operation was approved and run before.</p>
        </>
      )}
      {replaces && (
        <>
          <h3>In place of an action that is {replaces.state}</h3>
          <Difference
            before={inputLines(replaces.input, encoding)}
            after={lines}
            than="its input"
          />
        </>
      )}
      <h3>It may make these calls, and no others</h3>
      {calls.length === 0 ? (
        <p>None.</p>
      ) : (
        <ul class="calls">
          {calls.map((call) => (
            <Call key={call.rule} call={call} />
          ))}
        </ul>
      )}
      {contract.approval.length > 0 && (
        <p class="notice">
          An approver narrowed what it may reach: rules are named plugin → operator → approver.
        </p>
      )}
      <h3>Credentials, set by the platform</h3>
      {credentials.length === 0 ? (
        <p>None.</p>
      ) : (
        <ul class="calls">
          {credentials.map(({ id, name, host, version, ...place }) => (
            <li key={id}>
              <strong>{visibleLine(name)}</strong> {visibleLine(placementText(place))}, sent to{' '}
              <code>{visibleLine(host)}</code> only, version {version}
            </li>
          ))}
        </ul>
      )}
      {contract.networks.length > 0 && (
        <p class="notice warn">
          Networks that are closed otherwise: {contract.networks.join(', ')}
        </p>
      )}
      <p class="quiet">
        Digest of all this, computed in this browser: <code>{digest}</code>. It binds the input and
        the shapes of the calls, not the bytes that the plugin makes of them.
      </p>
    </>
  );
}

function Call({ call }: { readonly call: AllowedCall }) {
  const { rule, methods, scheme, host, port, path, credential, maxCalls, idempotency } = call;
  const { maxPerMinute } = call;
  return (
    <li>
      <p>
        {methods.map((method) => (
          <span key={method} class="method">
            {method}
          </span>
        ))}{' '}
        <code>{visibleLine(`${scheme}://${host}${port === 443 ? '' : `:${port}`}${path}`)}</code>
      </p>
      <p class="quiet">
        {[
          `rule ${shownRule(rule)}`,
          credential === undefined ? 'no credential' : `credential ${credential}`,
          `headers ${call.headers.join(', ') || 'none'}`,
          `body ${call.contentTypes.join(', ') || 'none'}`,
          ...(call.query.length > 0 ? [`query ${call.query.join(', ')}`] : []),
          ...(maxCalls === undefined
            ? []
            : [`at most ${maxCalls} ${maxCalls === 1 ? 'call' : 'calls'}`]),
          ...(maxPerMinute === undefined ? [] : [`at most ${maxPerMinute} a minute`]),
          ...(call.caCertificates ? ['checked by private authorities only'] : []),
          ...(idempotency ? [`sent again only with the same ${idempotency.header}`] : []),
        ].join(' · ')}
      </p>
    </li>
  );
}

function Difference(props: {
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly than: string;
}) {
  const lines = lineDiff(props.before, props.after);
  if (lines.every((line) => line.startsWith('  '))) {
    return (
      <>
        <Lines lines={props.after} label="Input" />
        <p class="quiet">The same as {props.than}.</p>
      </>
    );
  }
  return (
    <>
      <Lines lines={lines} label={`Input, beside ${props.than}`} />
      <p class="quiet">
        Beside {props.than}: <ins>+ is new</ins>, <del>− is gone</del>.
      </p>
    </>
  );
}

/** What the newest dry run of exactly this would have sent, and a way to another. */
function DryRun(props: { readonly approval: Approval; readonly reload: () => void }) {
  const current = useSession();
  const { action, state, dryRun } = props.approval;
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error>();
  const run = async () => {
    setBusy(true);
    setError(undefined);
    await current.client.actions
      .dryRun(action, { waitSeconds: DRY_RUN_SECONDS })
      .catch((caught) => setError(caught));
    setBusy(false);
    props.reload();
  };
  return (
    <>
      <h3>Dry run</h3>
      {dryRun ? (
        <>
          <p>
            <Link href={hrefOf(current.workspace, 'actions', dryRun.action)}>Its dry run</Link>{' '}
            <Badge of={dryRun.state} /> {dryRun.error && visibleLine(dryRun.error.code)}
          </p>
          <WritesPart state={dryRun.state} writes={dryRun.writes} />
          <p class="quiet">
            None of it has left. What the plugin reads, and so what it sends, may be another then.
          </p>
        </>
      ) : (
        <p>It was not run dry.</p>
      )}
      {state === 'open' && may(current, 'action.dry-run') && (
        <p class="buttons">
          <button type="button" class="plain" disabled={busy} onClick={run}>
            {busy ? 'Running…' : 'Run it dry'}
          </button>
        </p>
      )}
      {error && <Failure error={error} />}
    </>
  );
}
