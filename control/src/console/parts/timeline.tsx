import type { Attempt, EvidenceEntry } from '@portarium/client/answers';
import { visibleLine } from '@portarium/client/visible-text';
import { clockText } from './time.tsx';

/** How an entry looks: by what it tells of. */
const TONES: readonly (readonly [RegExp, string])[] = [
  [/^action\.succeeded$|^approval\.(granted|endorsed)$/, 'good'],
  [/^action\.(failed|cancelled)$|\.denied$|^approval\.(expired|voided)$/, 'bad'],
  [/outcome-unknown|changes-requested|^approval\.requested$/, 'warn'],
];

const WORDS: Readonly<Record<string, string>> = {
  'action.requested': 'Asked for',
  'policy.decided': 'Policy decided',
  'approval.requested': 'Approval asked for',
  'approval.endorsed': 'One more person agreed',
  'approval.granted': 'Approved',
  'approval.denied': 'Denied',
  'approval.expired': 'Approval out of time',
  'approval.voided': 'Approval void',
  'approval.changes-requested': 'Changes asked for',
  'attempt.started': 'Attempt started',
  'egress.intended': 'Write is about to be sent',
  'egress.answered': 'Write answered',
  'egress.denied': 'Call refused',
  'egress.withheld': 'Write withheld by the dry run',
  'attempt.finished': 'Attempt ended',
  'action.succeeded': 'Succeeded',
  'action.failed': 'Failed',
  'action.cancelled': 'Cancelled',
  'action.outcome-unknown': 'Outcome unknown',
  'action.resolved': 'Resolved by a person',
};

/** Fields that tell a person what happened, in the order in which one reads them. */
const TOLD = [
  ...['decision', 'tier', 'by', 'outcome', 'rationale', 'reason', 'method', 'host', 'path'],
  ...['status', 'verdict', 'isolation', 'engine'],
];

/** Everything that the log says of an action, in its order. */
export function Timeline(props: {
  readonly entries: readonly EvidenceEntry[] | undefined;
  readonly attempts: readonly Attempt[];
}) {
  const { entries, attempts } = props;
  if (entries === undefined) return <AttemptList attempts={attempts} />;
  const first = Date.parse(entries[0]?.time ?? '');
  return (
    <ol class="timeline">
      {entries.map((entry) => (
        <li key={entry.seq} class={TONES.find(([pattern]) => pattern.test(entry.type))?.[1]}>
          <p>
            <strong>{WORDS[entry.type] ?? entry.type}</strong> <span>{toldText(entry)}</span>
          </p>
          <p class="quiet">
            <time dateTime={entry.time} title={entry.time}>
              {clockText(entry.time)}
            </time>{' '}
            +{(Date.parse(entry.time) - first).toLocaleString('en')} ms · entry {entry.seq} ·{' '}
            {entry.actor.kind}
          </p>
          {entry.type === 'attempt.finished' && (
            <Logs attempt={attempts.find(({ id }) => id === entry.data.attempt)} />
          )}
        </li>
      ))}
    </ol>
  );
}

/** For roles that may not read the log. */
function AttemptList({ attempts }: { readonly attempts: readonly Attempt[] }) {
  if (attempts.length === 0) return <p class="quiet">No attempt has been made.</p>;
  return (
    <ol class="timeline">
      {attempts.map((attempt) => (
        <li key={attempt.id}>
          <p>
            <strong>Attempt {attempt.fence}</strong> {attempt.verdict ?? 'runs'}{' '}
            {attempt.error && `${attempt.error.code}: ${attempt.error.message}`}
          </p>
          <p class="quiet">{attempt.startedAt}</p>
          <Logs attempt={attempt} />
        </li>
      ))}
    </ol>
  );
}

function Logs({ attempt }: { readonly attempt: Attempt | undefined }) {
  const logs = attempt?.logs ?? [];
  if (logs.length === 0) return null;
  return (
    <details>
      <summary>
        {logs.length} {logs.length === 1 ? 'line' : 'lines'} that the plugin logged
      </summary>
      <ul class="logs">
        {logs.map(({ level, message }, i) => (
          <li key={i}>
            <span class="quiet">{level}</span> {visibleLine(message)}
          </li>
        ))}
      </ul>
    </details>
  );
}

function toldText({ data, type }: EvidenceEntry): string {
  const told = TOLD.flatMap((name) => {
    const value = data[name];
    if (typeof value !== 'string' && typeof value !== 'number') return [];
    // The page's head has it already.
    return type === 'action.requested' ? [] : [String(value)];
  });
  const { error } = data;
  if (typeof error === 'object' && error !== null && 'code' in error) told.push(String(error.code));
  return visibleLine(told.join(' · '));
}
