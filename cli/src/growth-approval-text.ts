/** What a plugin version could do that the one that runs can not, for the person who decides. */
import type { CheckedGrowth } from '@portarium/client/growth-check';
import { growthText } from '@portarium/client/growth-text';
import { visibleLine } from '@portarium/client/visible-text';
import { agreedText } from './approval-text.ts';
import { table } from './output.ts';

export function growthApprovalText({ version, approval, digest }: CheckedGrowth): string {
  const { statement, decisions } = approval;
  const { from, growth } = statement;
  return [
    `${version.name}@${version.version}  ${version.state}  ${statement.digest}`,
    growth.length === 0
      ? `It can do no more than ${from.version}, which runs by now.`
      : `It could do this, which ${from.version} can not:`,
    ...growth
      .map(growthText)
      .flatMap(({ title, lines }) => [`  ${title}`, ...lines.map((line) => `    │ ${line}`)]),
    'Operators’ grants bind every version: what they do not allow stays refused.',
    rows([
      ['compared with', `${from.version}  ${from.digest}`],
      ['publisher', publisherText(version)],
      ['agreed', agreedText(approval)],
      ['may decide', `keys of the roles ${approval.roles.join(', ')}`],
      ['may not decide', approval.excluded.join(', ') || '(nobody is excluded)'],
    ]),
    ...decisions.map(
      ({ person, decision, rationale, at }) =>
        `  ${visibleLine(`${at}  ${person}  ${decision}: ${rationale}`)}`,
    ),
    `Digest of the difference, computed here from both manifests: ${digest}`,
  ].join('\n');
}

function publisherText({ signature }: CheckedGrowth['version']): string {
  if (signature === undefined) return '(nobody signed it)';
  return `${signature.publisher}  ${signature.fingerprint}`;
}

function rows(pairs: readonly (readonly [string, string])[]): string {
  return table(pairs.map(([name, value]) => [`  ${name}`, visibleLine(value)]));
}
