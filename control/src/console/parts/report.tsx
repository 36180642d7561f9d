import { visibleLine } from '@portarium/client/visible-text';
import { type Hints, provedLines, unprovedLines } from '@portarium/client/what-is-proved';
import type { ToldStory } from '@portarium/contracts/tell-story';
import type { VerifyReport } from '@portarium/contracts/verify-report';
import type { ComponentChildren } from 'preact';
import { Table } from './table.tsx';

const HEADS: Readonly<Record<VerifyReport['verdict'], string>> = {
  verified: 'Verified here',
  falsified: 'Not verified: falsified',
  incomplete: 'Not verified: incomplete',
  unreadable: 'Not verified: unreadable',
  unpinned: 'Not verified: it agrees with itself, and no key was named to believe',
};

/** What a verification in this browser found. */
export function Report(props: {
  readonly report: VerifyReport;
  /** Given where somebody chose what to compare with. */
  readonly hints?: Hints;
  readonly children?: ComponentChildren;
}) {
  const { report, hints, children } = props;
  const { verdict, findings, stories = [] } = report;
  return (
    <div
      class={`notice ${verdict === 'verified' ? 'good' : 'bad'}`}
      role="status"
      data-verdict={verdict}
      data-exit={report.exitCode}
    >
      <p>
        <strong>{HEADS[verdict]}</strong>
      </p>
      {verdict === 'verified' && hints && <Proved report={report} hints={hints} />}
      {findings.map(({ rule, message, seq }) => (
        <p
          key={`${rule} ${seq} ${message}`}
          data-rule={rule}
          data-message={message}
          {...(seq === undefined ? {} : { 'data-seq': seq })}
        >
          <code>{rule}</code> {seq === undefined ? '' : `entry ${seq}: `}
          {message}
        </p>
      ))}
      {verdict !== 'unreadable' && (
        <dl class="facts">
          {factsOf(report).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
      {stories.length > 0 && <Stories report={report} stories={stories} />}
      {children}
    </div>
  );
}

function Proved({ report, hints }: { readonly report: VerifyReport; readonly hints: Hints }) {
  return (
    <>
      {provedLines(report).map((line) => (
        <p key={line}>{line}</p>
      ))}
      <p>Not proved:</p>
      <ul>
        {unprovedLines(report, hints).map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </>
  );
}

function Stories(props: { readonly report: VerifyReport; readonly stories: readonly ToldStory[] }) {
  const { report, stories } = props;
  const rest = report.actions - stories.length;
  return (
    <>
      <Table heads={['Entries', 'Asked', 'Allowed by', 'Left', 'Ended']}>
        {stories.map(({ action, from, to, asked, policy, approvedBy, writes, ended }) => (
          <tr key={action}>
            <td>
              {from}–{to}
            </td>
            <td>
              {asked
                ? visibleLine(`${asked.operation} of ${asked.plugin}, by ${asked.by}, ${asked.at}`)
                : 'before this part'}
            </td>
            <td>{visibleLine(approvedBy.length > 0 ? approvedBy.join(', ') : (policy ?? ''))}</td>
            <td>
              {writes.map(({ method, host, path, state }, i) => (
                <div key={`${action} ${i}`}>
                  {visibleLine(`${method} ${host}${path}: ${state}`)}
                </div>
              ))}
            </td>
            <td>{visibleLine(ended ?? 'not yet')}</td>
          </tr>
        ))}
      </Table>
      {rest > 0 && <p class="quiet">and {rest} more actions</p>}
    </>
  );
}

function factsOf(report: VerifyReport): (readonly [string, string])[] {
  const { entries, range, actions, openActions, partialActions, told } = report;
  const { checkpoint, signedBy, keyHandovers, artifacts, modules, unsigned } = report;
  const open = openActions > 0 ? `, ${openActions} not ended` : '';
  const partial = partialActions > 0 ? `, ${partialActions} told in part` : '';
  const { answered, sent, denied } = told.writes;
  return [
    ['Entries', range ? `${range.from} to ${range.to}` : String(entries)],
    ['Actions', `${actions}${open}${partial}`],
    ['Writes', `${answered} answered, ${sent} without an answer, ${denied} calls denied`],
    ['People who agreed', String(told.people)],
    [
      'Artifacts',
      `${artifacts.included} here, ${artifacts.omitted} left out, ${artifacts.disposed} disposed of`,
    ],
    ['Modules', String(modules)],
    ...(unsigned > 0 ? [['Not signed', `${unsigned} entries`] as const] : []),
    ...(checkpoint
      ? [['Checkpoint', `${visibleLine(checkpoint.origin)}, ${checkpoint.size} entries`] as const]
      : []),
    ...(signedBy === undefined ? [] : [['Signed by', visibleLine(signedBy)] as const]),
    ...(keyHandovers === undefined
      ? []
      : [['The key that you gave', handedOver(keyHandovers)] as const]),
  ];
}

function handedOver(times: number): string {
  return `handed over ${times === 1 ? 'once' : `${times} times`}, up to the one that signed this`;
}
