/** Who decided, and the form with which a person does. */
import type { PluginVersion } from '@portarium/client/answers';
import { agreedCount } from '@portarium/client/approval-answers';
import { visibleLine } from '@portarium/client/visible-text';
import { type EgressRule, EgressRulesSchema } from '@portarium/contracts/egress-rule';
import { useRef, useState } from 'preact/hooks';
import * as v from 'valibot';
import { useKeys } from '../keys.ts';
import { Failure } from '../resource.tsx';
import { may, useSession } from '../session.ts';
import { Badge } from './badge.tsx';
import { Time } from './time.tsx';

type Decided = Pick<
  NonNullable<PluginVersion['approval']>,
  'decisions' | 'quorum' | 'roles' | 'excluded' | 'digest'
>;

/** Who agreed so far, and who may. */
export function Decisions({ approval }: { readonly approval: Decided }) {
  const { decisions, quorum, roles, excluded } = approval;
  const given = agreedCount(approval);
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
        {decisions.map(({ person, decision, rationale, at, digest }) => (
          <li key={person}>
            <strong>{visibleLine(person)}</strong> <Badge of={decision} /> “{visibleLine(rationale)}
            ”{' '}
            <span class="quiet">
              <Time at={at} />
              {digest !== undefined &&
                digest !== approval.digest &&
                ' · does not count: about what it was before it was narrowed'}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}

/** @throws Error that says what of the text is no list of rules */
function narrowing(text: string): readonly EgressRule[] {
  const read = v.safeParse(v.pipe(v.string(), v.parseJson(), EgressRulesSchema), text);
  if (read.success) return read.output;
  const [issue] = read.issues;
  throw new Error(`The egress rules, ${v.getDotPath(issue) ?? 'all of them'}: ${issue.message}.`);
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
  /** Whether less may be approved than was asked for. */
  readonly narrows?: boolean;
  readonly send: (decision: {
    decision: C;
    rationale: string;
    egress?: readonly EgressRule[];
  }) => Promise<unknown>;
  readonly reload: () => void;
}) {
  const current = useSession();
  const choices = CHOICES.filter(([value]) => (props.choices as readonly Choice[]).includes(value));
  const [choice, setChoice] = useState<C>();
  const [rationale, setRationale] = useState('');
  const [rules, setRules] = useState('');
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
    try {
      const less = choice === 'approve' && rules.trim() !== '' ? { egress: narrowing(rules) } : {};
      await props.send({ decision: choice, rationale: rationale.trim(), ...less });
    } catch (caught) {
      setError(caught instanceof Error ? caught : new Error(String(caught)));
    }
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
      {props.narrows && choice === 'approve' && (
        <details>
          <summary>Approve less than was asked for</summary>
          <label>
            Egress rules as a JSON list: only calls that match one of them as well are made, and who
            agreed before has to agree again
            <textarea
              rows={4}
              spellcheck={false}
              value={rules}
              onInput={(event) => setRules(event.currentTarget.value)}
            />
          </label>
        </details>
      )}
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
