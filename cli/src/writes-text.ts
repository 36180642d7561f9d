/**
 * What a dry run would have sent, for people. URLs, headers and bodies come from a plugin: nothing in
 * them may hide, or pass for our own lines.
 */
import type { WithheldWrite } from '@portarium/client/approval-answers';
import { visibleLine } from '@portarium/client/visible-text';

export function writesText(writes: readonly WithheldWrite[]): string[] {
  if (writes.length === 0) return ['It would send no write.'];
  return ['It would send:', ...writes.flatMap(writeLines)];
}

function writeLines({ rule, method, url, headers, credential, body, status }: WithheldWrite) {
  const how = [
    ...(rule === undefined ? [] : [`rule ${rule}`]),
    credential === undefined ? 'no credential' : `with ${credential}`,
    status === undefined ? 'no example answers it' : `answered by an example with ${status}`,
  ];
  return [
    visibleLine(`  ${method} ${url}`),
    visibleLine(`      ${how.join('; ')}`),
    ...headers.map(([name, value]) => visibleLine(`      ${name}: ${value}`)),
    ...(body === undefined ? [] : bodyLines(body)),
  ];
}

function bodyLines({ bytes, text, base64, cut }: NonNullable<WithheldWrite['body']>): string[] {
  const shown = text === undefined ? [base64 ?? ''] : text.split('\n');
  const kind = text === undefined ? ', not text: base64' : '';
  return [
    `      body (${bytes} bytes${kind}${cut ? ', the first of them' : ''}):`,
    ...shown.map((line) => `      │ ${visibleLine(line)}`),
  ];
}
