/** The page of the corpus of hostile modules: each case, why it is dangerous, and the verdict it has to get. */
import { FAMILIES } from '../../plugins/hostile/modules/corpus.ts';
import { verdictText } from '../../plugins/hostile/modules/module-case.ts';
import { NOTICE } from './notice.ts';

export function hostilePage(): string {
  const count = FAMILIES.reduce((sum, { cases }) => sum + cases.length, 0);
  return [
    '# Hostile modules',
    '',
    NOTICE,
    '',
    `${count} modules that try to leave, hang or exhaust what runs them, or to fool who reads about them, with the verdict`,
    'that each has to get. They lie in [`plugins/hostile/modules`](../../plugins/hostile/modules); the tests beside them',
    'run each in cells of Bun and of Deno, and through the whole product. Requests that plugins send to where they may',
    'not are listed in [egress.md](egress.md), rules of admission and errors of attempts in [errors.md](errors.md).',
    '',
    '| Verdict | Means |',
    '|---|---|',
    '| upload refused | the upload is answered with that error, and nothing of it is looked at any further |',
    '| not admitted | 422 `plugin.not-admitted`; one of the findings has that rule, and the rejection is evidence |',
    '| fails | it is admitted, and its attempt ends with that error |',
    '| succeeds | it is admitted and runs, and the attack comes to nothing |',
    ...FAMILIES.flatMap(({ title, cases }) => [
      ...['', `## ${title}`, '', '| Case | Danger | Verdict |', '|---|---|---|'],
      ...cases.map(({ name, danger, expect, inProduct }) => {
        const verdicts = [verdictText(expect)];
        if (inProduct) verdicts.push(`in the product ${verdictText(inProduct)}`);
        const told = [...new Set(verdicts)].join('; ');
        return `| ${cellText(name)} | ${cellText(danger)} | ${told} |`;
      }),
    ]),
    '',
  ].join('\n');
}

/** With nothing that Markdown or HTML would take for its own. */
export function cellText(text: string): string {
  return text.replaceAll(/[\\|_*`[\]]/g, '\\$&').replaceAll('<', '&lt;');
}
