/** Who decided, and the form with which a person does. */
import type { PluginVersion } from '@portarium/client/answers';
import { visibleLine } from '@portarium/client/visible-text';
import { useRef, useState } from 'preact/hooks';
import { useKeys } from '../keys.ts';
import { Failure } from '../resource.tsx';
import { may, useSession } from '../session.ts';
import { Badge } from './badge.tsx';
import { Time } from './time.tsx';

type Decided = Pick<
  NonNullable<PluginVersion['approval']>,
  'decisions' | 'quorum' | 'roles' | 'excluded'
>;

/** Who agreed so far, and who may. */
export function Decisions({ approval }: { readonly approval: Decided }) {
  const { decisions, quorum, roles, excluded } = approval;
  const given = decisions.filter(({ decision }) => decision === 'approve').length;
  return (
    <>
      <h3>Decisions</h3>
      <p>
        {given} of {quorum} {quorum === 1 ? 'person has' : 'people have'} agreed.{' '}
        <span class="quiet">
          Roles: {roles.join(', ')}. Not:{' '}
          {excluded.map(visibleLine).join(', ') || 'nobody is excluded'}.
        </span>
      </p>
      <ul class="calls">
        {decisions.map(({ person, decision, rationale, at }) => (
          <li key={person}>
            <strong>{visibleLine(person)}</strong> <Badge of={decision} /> “{visibleLine(rationale)}
            ”{' '}
            <span class="quiet">
              <Time at={at} />
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}

const CHOICES = [
  ['approve', 'Approve', 'a'],
  ['deny', 'Deny', 'd'],
  ['request-changes', 'Ask for changes', 'r'],
] as const;
type Choice = (typeof CHOICES)[number][0];

/** First what, then why, then once more: nothing is decided by one key. */
export function DecideForm<C extends Choice>(props: {
  readonly choices: readonly C[];
  /** Why the Control Plane would refuse this key's decision. */
  readonly refusal: string | undefined;
  readonly send: (decision: { decision: C; rationale: string }) => Promise<unknown>;
  readonly reload: () => void;
}) {
  const current = useSession();
  const choices = CHOICES.filter(([value]) => (props.choices as readonly Choice[]).includes(value));
  const [choice, setChoice] = useState<C>();
  const [rationale, setRationale] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error>();
  const field = useRef<HTMLTextAreaElement>(null);
  // At once: the next key that is pressed belongs to the reason.
  const choose = (wanted: C) => {
    setChoice(wanted);
    field.current?.focus();
  };
  const allowed = may(current, 'approval.decide') && props.refusal === undefined;
  useKeys((key) => {
    const wanted = choices.find(([, , letter]) => letter === key)?.[0] as C | undefined;
    if (!allowed || !wanted) return false;
    choose(wanted);
    return true;
  });
  if (!allowed) {
    return (
      <p class="notice">
        {props.refusal ?? `A key of the role ${current.caller.role} does not decide approvals.`}
      </p>
    );
  }
  const send = async () => {
    if (choice === undefined || rationale.trim() === '') return;
    setBusy(true);
    setError(undefined);
    await props
      .send({ decision: choice, rationale: rationale.trim() })
      .catch((caught) => setError(caught));
    setBusy(false);
    props.reload();
  };
  return (
    <form
      class="decide"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <fieldset>
        <legend>Your decision</legend>
        <p class="buttons">
          {choices.map(([value, words, letter]) => (
            <button
              type="button"
              key={value}
              class={value}
              aria-pressed={choice === value}
              aria-keyshortcuts={letter}
              onClick={() => choose(value as C)}
            >
              {words}
            </button>
          ))}
        </p>
      </fieldset>
      <label>
        Why
        <textarea
          ref={field}
          rows={2}
          maxLength={2_000}
          required
          value={rationale}
          onInput={(event) => setRationale(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) send();
            if (event.key === 'Escape') setChoice(undefined);
          }}
        />
      </label>
      {choice !== undefined && (
        <button type="submit" class={`main ${choice}`} disabled={busy || rationale.trim() === ''}>
          {busy
            ? 'Sending…'
            : `${CHOICES.find(([value]) => value === choice)?.[1]}, as ${current.caller.owner}`}
        </button>
      )}
      {error && <Failure error={error} />}
    </form>
  );
}
