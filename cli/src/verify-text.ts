/** A report of verification in words that an auditor can file. */
import { visibleLine } from '@portarium/client/visible-text';
import { provedLines, unprovedLines } from '@portarium/client/what-is-proved';
import type { ToldStory, ToldWrite } from '@portarium/contracts/tell-story';
import type { Finding, Verdict, VerifyReport } from '@portarium/contracts/verify-report';
import { table } from './output.ts';

const HEADLINES: { readonly [V in Verdict]: string } = {
  verified: 'VERIFIED',
  falsified: 'FALSIFIED',
  incomplete: 'INCOMPLETE, NOT VERIFIED',
  unreadable: 'UNREADABLE',
  unpinned: 'CONSISTENT, NOT VERIFIED',
};

/** What was given to compare with, which decides what a report can prove. */
export interface Compared {
  readonly since?: boolean;
  readonly publishers?: boolean;
}

/** @param name the bundle, as the person named it */
export function verifyText(name: string, report: VerifyReport, compared: Compared = {}): string {
  const lines = [`${HEADLINES[report.verdict]}  ${visibleLine(name)}`];
  if (report.verdict !== 'unreadable') lines.push(summary(report));
  if (report.findings.length > 0) {
    lines.push('', table(report.findings.map(findingRow)));
  }
  for (const story of report.stories ?? []) lines.push('', storyText(story));
  lines.push('', closing(report));
  if (report.verdict === 'verified') lines.push('', notProved(report, compared));
  return lines.join('\n');
}

function summary(report: VerifyReport): string {
  const { artifacts, modules, signedVersions } = report;
  return table([
    ['  log', logText(report)],
    ['  signed', signedText(report)],
    ...(report.unsigned > 0
      ? [['  not signed', `${report.unsigned} entries are beyond the last checkpoint`]]
      : []),
    ['  actions', actionsText(report)],
    ['  people', `${report.told.people} agreed to something`],
    ['  left', leftText(report)],
    ['  artifacts', `${artifacts.included} included, ${artifacts.omitted} left out`],
    ...(artifacts.disposed > 0
      ? [
          [
            '  disposed',
            `${artifacts.disposed} artifacts are gone: after their retention, and as the log says`,
          ],
        ]
      : []),
    ['  plugins', `${modules} included, ${signedVersions} uploads with a publisher’s signature`],
  ]);
}

function logText({ checkpoint, entries, range }: VerifyReport): string {
  const part = range ? `entries ${range.from} to ${range.to}` : `${entries} entries`;
  return checkpoint ? `${visibleLine(checkpoint.origin)}, ${part}` : part;
}

function signedText({ checkpoint, signedBy, keyHandovers }: VerifyReport): string {
  if (!checkpoint || checkpoint.size === 0) return 'nothing';
  const by = `up to entry ${checkpoint.size - 1}, by ${visibleLine(signedBy ?? '?')}`;
  if (keyHandovers === undefined) return by;
  return `${by}; the pinned key was handed over ${keyHandovers === 1 ? 'once' : `${keyHandovers} times`} since`;
}

function actionsText({ actions, openActions, partialActions, told }: VerifyReport): string {
  const ends = Object.entries(told.actions)
    .filter(([ended]) => ended !== 'open')
    .map(([ended, count]) => `${count} ${endText(ended)}`);
  const open = openActions > 0 ? [`${openActions} not ended`] : [];
  const partial = partialActions > 0 ? [`${partialActions} told in part: they began before`] : [];
  const parts = [...ends, ...open, ...partial];
  return parts.length === 0 ? String(actions) : `${actions}: ${parts.join(', ')}`;
}

/** `action.succeeded` as people say it. */
function endText(type: string): string {
  if (type === 'policy.decided') return 'denied by policy';
  const [what, how = ''] = visibleLine(type).split('.');
  return what === 'approval' ? `${how.replaceAll('-', ' ')} by people` : how.replaceAll('-', ' ');
}

function leftText({ told: { writes } }: VerifyReport): string {
  const parts = [
    `${writes.answered} writes were sent and answered`,
    ...(writes.sent > 0 ? [`${writes.sent} sent without an answer`] : []),
    ...(writes['not sent'] > 0 ? [`${writes['not sent']} permitted and not sent`] : []),
    ...(writes.withheld > 0 ? [`${writes.withheld} withheld in dry runs`] : []),
    ...(writes.denied > 0 ? [`${writes.denied} calls denied`] : []),
  ];
  return parts.join(', ');
}

/** What happened in one action, from what was asked to how it ended. */
function storyText(story: ToldStory): string {
  const { asked, policy, approvedBy, attempts, writes, ended } = story;
  const rows = [
    asked
      ? [
          '  asked',
          `${asked.operation} of ${asked.plugin} (${asked.effect}${asked.dryRun ? ', dry run' : ''}), by ${asked.by}, ${asked.at}`,
        ]
      : ['  asked', 'before this part of the log'],
    ...(policy === undefined ? [] : [['  policy', policy]]),
    ...(approvedBy.length > 0 ? [['  allowed by', approvedBy.join(', ')]] : []),
    ['  ran', attempts === 1 ? 'once' : attempts === 0 ? 'never' : `${attempts} times`],
    ...writes.map((write) => ['  left', writeText(write)]),
    ['  ended', ended === undefined ? 'not yet' : endText(ended)],
  ];
  const shown = rows.map(([label = '', text = '']) => [label, visibleLine(text)]);
  const head = `${visibleLine(story.action)}, entries ${story.from} to ${story.to}`;
  return `${head}\n${table(shown)}`;
}

function writeText({ method, host, path, state, status, credential, reason }: ToldWrite): string {
  const parts = [
    state === 'answered' && status !== undefined ? `answered with ${status}` : state,
    ...(credential === undefined ? [] : [`with ${credential}`]),
    ...(reason === undefined ? [] : [reason]),
  ];
  return `${method} ${host}${path}: ${parts.join(', ')}`;
}

function findingRow({ rule, message, seq }: Finding): string[] {
  return [seq === undefined ? '  bundle' : `  entry ${seq}`, rule, message];
}

function closing(report: VerifyReport): string {
  switch (report.verdict) {
    case 'verified':
      return provedLines(report).join('\n');
    case 'falsified':
      return 'This bundle is not what the log signed. What was found first stands first.';
    case 'incomplete':
      return 'What is here contradicts nothing, but it is not all, so nothing is verified. What is missing stands above.';
    case 'unreadable':
      return 'Nothing can be said about this file.';
    case 'unpinned':
      return 'Nothing contradicts itself, but anyone can make such a bundle. Give the log’s key, got by a way that you trust: --pin KEY. Whoever runs the log prints it with portarium evidence key.';
  }
}

function notProved(report: VerifyReport, { since, publishers }: Compared): string {
  const lines = unprovedLines(report, {
    since: since ? undefined : 'give --since FILE',
    publishers: publishers ? undefined : 'give --publisher KEY of those whom you believe',
  });
  return `Not proved:\n${lines.map((line) => `  - ${line}`).join('\n')}`;
}
