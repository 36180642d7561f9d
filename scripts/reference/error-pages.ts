/** A page for each error code, and the list of them all. */
import {
  API_ERRORS,
  type ApiErrorCode,
  ATTEMPT_ERRORS,
  type AttemptErrorCode,
  RETRYABLE_ATTEMPT_ERRORS,
} from '@portarium/contracts/errors';
import document from '../../control/src/http/openapi.json' with { type: 'json' };
import { NOTICE } from './notice.ts';

const FOLDER = 'docs/reference/errors';

/** Pages by their path from the root. */
export function errorPages(): ReadonlyMap<string, string> {
  const codes = [...new Set([...Object.keys(API_ERRORS), ...Object.keys(ATTEMPT_ERRORS)])];
  return new Map([
    ['docs/reference/errors.md', listPage()],
    ...codes.map((code) => [`${FOLDER}/${code}.md`, codePage(code)] as const),
  ]);
}

const isApi = (code: string): code is ApiErrorCode => Object.hasOwn(API_ERRORS, code);
const isAttempt = (code: string): code is AttemptErrorCode => Object.hasOwn(ATTEMPT_ERRORS, code);
const link = (code: string) => `[\`${code}\`](errors/${code}.md)`;

function listPage(): string {
  const api = Object.entries(API_ERRORS).map(
    ([code, [status, title]]) => `| ${link(code)} | ${status} | ${title}. |`,
  );
  const attempt = Object.entries(ATTEMPT_ERRORS).map(([code, [title]]) => {
    const again = RETRYABLE_ATTEMPT_ERRORS.has(code as AttemptErrorCode) ? 'yes' : 'no';
    return `| ${link(code)} | ${title}. | ${again} |`;
  });
  return `# Errors

${NOTICE}

Codes are stable, messages are not. Each code has a page that says what to do.

## Of the API

They come as problem documents (RFC 9457, \`application/problem+json\`) with \`code\`, \`detail\`, \`hint\`,
\`trace\`, and where it helps \`errors[]\`, whose items point at what is wrong.

| Code | Status | Meaning |
|---|---|---|
${api.join('\n')}

## Of an attempt

They are data: an action that failed has \`error.code\` and \`error.message\`.

| Code | Meaning | Another attempt follows |
|---|---|---|
${attempt.join('\n')}
`;
}

function codePage(code: string): string {
  return [
    `# ${code}`,
    NOTICE,
    ...(isApi(code) ? [apiPart(code)] : []),
    ...(isAttempt(code) ? [attemptPart(code)] : []),
    '[All errors](../errors.md)\n',
  ].join('\n\n');
}

function apiPart(code: ApiErrorCode): string {
  const [status, title, hint] = API_ERRORS[code];
  const operations = operationsThat(status, code);
  const all = Object.values(document.paths).flatMap((methods) => Object.values(methods)).length;
  const where =
    operations.length === 0
      ? 'Any address that is not of an operation may answer so.'
      : operations.length === all
        ? 'Every operation may answer so.'
        : `Operations that may answer so: ${operations.map((id) => `\`${id}\``).join(', ')}.`;
  return `**${title}.** An answer of the API with status ${status}.\n\n${hint}\n\n${where}`;
}

function operationsThat(status: number, code: string): readonly string[] {
  return Object.values(document.paths).flatMap((methods) =>
    Object.values(methods as Record<string, Described>)
      .filter(({ responses }) => responses[status]?.description.includes(`\`${code}\``))
      .map(({ operationId }) => operationId),
  );
}

interface Described {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}

function attemptPart(code: AttemptErrorCode): string {
  const [title, hint] = ATTEMPT_ERRORS[code];
  const again = RETRYABLE_ATTEMPT_ERRORS.has(code)
    ? 'The attempt is lost and another follows, five at most.'
    : 'It ends the action: no other attempt follows.';
  return `**${title}.** An attempt ended so; the action has it as \`error.code\`.\n\n${hint}\n\n${again}`;
}
