// What GitHub refused, in one sentence for the caller
// (https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api).
import { HttpResponse, Json, JsonKind } from '@portarium/sdk/assembly';

const MAX_MESSAGE = 500;
const MAX_ERRORS = 5;

/** The sentence for an answer that is no success; status 0 stands for no answer. */
export function problemOf(response: HttpResponse): string {
  if (response.status == 0) return 'no answer came from GitHub; the journal says why';
  const body = response.json();
  const said = body === null ? '' : saidBy(body);
  return `${headlineOf(response, said)} (${response.status})` + (said == '' ? '' : `: ${said}`);
}

/** The same for a write, which says when it may have taken effect all the same. */
export function uncertainProblemOf(response: HttpResponse, what: string): string {
  const problem = problemOf(response);
  return response.status < 500
    ? problem
    : problem + `; the ${what} may have been made, look for it at GitHub before you ask again`;
}

function headlineOf(response: HttpResponse, said: string): string {
  const status = response.status;
  if (isRateLimit(response, said)) return 'GitHub asks for fewer requests; try again ' + when(response);
  if (status >= 300 && status < 400) {
    return 'GitHub has the repository elsewhere; ask for it by its new owner and name';
  }
  if (status == 401) return 'GitHub refused the credential';
  if (status == 403) return 'the credential may not do this at GitHub';
  if (status == 404) return 'GitHub does not have it, or hides it from this credential';
  if (status == 410) return 'the repository has its issues turned off, or the issue is deleted';
  if (status >= 500) return 'GitHub failed';
  if (status >= 400) return 'GitHub refused the request';
  return 'GitHub answered with an unexpected status';
}

/** Both kinds of limit come as 403 or 429; a secondary one says so in its message only. */
function isRateLimit(response: HttpResponse, said: string): bool {
  if (response.status == 429) return true;
  if (response.status != 403) return false;
  return (
    response.header('retry-after') != '' ||
    response.header('x-ratelimit-remaining') == '0' ||
    said.includes('secondary rate limit')
  );
}

function when(response: HttpResponse): string {
  const after = response.header('retry-after');
  if (isNumber(after)) return `in ${after} s`;
  const reset = response.header('x-ratelimit-reset');
  if (!isNumber(reset) || response.header('x-ratelimit-remaining') != '0') return 'later';
  return 'after ' + new Date((<i64>parseInt(reset)) * 1000).toISOString();
}

/** Whether the text is a whole number that an instant in seconds can be. */
function isNumber(text: string): bool {
  if (text == '' || text.length > 10) return false;
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) < 0x30 || text.charCodeAt(i) > 0x39) return false;
  }
  return true;
}

function saidBy(body: Json): string {
  const said = body.getString('message').substring(0, MAX_MESSAGE);
  const errors = body.get('errors');
  if (errors === null || errors.kind != JsonKind.Array) return said;
  const details: string[] = [];
  for (let i = 0; i < errors.length && i < MAX_ERRORS; i++) details.push(detailOf(errors.at(i)));
  return details.length == 0 ? said : `${said} [${details.join('; ')}]`;
}

/** One reason of a 422: a sentence, or a field with a code. */
function detailOf(error: Json): string {
  if (error.kind == JsonKind.String) return error.str.substring(0, MAX_MESSAGE);
  const message = error.getString('message').substring(0, MAX_MESSAGE);
  if (message != '') return message;
  return `${error.getString('field')}: ${error.getString('code')}`;
}
