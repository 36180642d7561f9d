/** A report of verification in words that an auditor can file. */
import type { Finding, Verdict, VerifyReport } from '@portarium/contracts/verify-report';
import { table } from './output.ts';

const HEADLINES: { readonly [V in Verdict]: string } = {
  verified: 'VERIFIED',
  falsified: 'FALSIFIED',
  incomplete: 'INCOMPLETE, NOT VERIFIED',
  unreadable: 'UNREADABLE',
  unpinned: 'CONSISTENT, NOT VERIFIED',
};

/** @param name the bundle, as the person named it */
export function verifyText(name: string, report: VerifyReport): string {
  const lines = [`${HEADLINES[report.verdict]}  ${name}`];
  if (report.verdict !== 'unreadable') lines.push(summary(report));
  if (report.findings.length > 0) {
    lines.push('', table(report.findings.map(findingRow)));
  }
  lines.push('', closing(report));
  return lines.join('\n');
}

function summary(report: VerifyReport): string {
  const { checkpoint, artifacts, modules, signedVersions } = report;
  return table([
    [
      '  log',
      checkpoint ? `${checkpoint.origin}, ${report.entries} entries` : `${report.entries} entries`,
    ],
    ['  signed', signedText(report)],
    ...(report.unsigned > 0
      ? [['  not signed', `${report.unsigned} entries are beyond the last checkpoint`]]
      : []),
    ['  actions', `${report.actions}, ${report.openActions} of them not ended`],
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

function signedText({ checkpoint, signedBy, keyHandovers }: VerifyReport): string {
  if (!checkpoint || checkpoint.size === 0) return 'nothing';
  const by = `up to entry ${checkpoint.size - 1}, by ${signedBy ?? '?'}`;
  if (keyHandovers === undefined) return by;
  return `${by}; the pinned key was handed over ${keyHandovers === 1 ? 'once' : `${keyHandovers} times`} since`;
}

function findingRow({ rule, message, seq }: Finding): string[] {
  return [seq === undefined ? '  bundle' : `  entry ${seq}`, rule, message];
}

function closing(report: VerifyReport): string {
  switch (report.verdict) {
    case 'verified':
      return report.unsigned > 0
        ? `The first ${report.entries - report.unsigned} entries are what the log signed, in full and in order. The ${report.unsigned} behind them are not signed and prove nothing.`
        : 'Every entry is what the log signed, in order, and none up to the checkpoint is missing.';
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
