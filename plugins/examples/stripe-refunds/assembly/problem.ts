// What Stripe refused, in one sentence for the caller (https://docs.stripe.com/api/errors).
import { HttpResponse, Json } from '@portarium/sdk/assembly';

const MAX_MESSAGE = 500;

/** The sentence for an answer that is no success; status 0 stands for no answer. */
export function problemOf(response: HttpResponse): string {
  if (response.status == 0) return 'no answer came from Stripe; the journal says why';
  const error = errorOf(response);
  const said = error === null ? '' : saidBy(error);
  return `${headlineOf(response.status, error)} (${response.status})` + (said == '' ? '' : `: ${said}`);
}

/** The same for a write, which says when it may have taken effect all the same. */
export function uncertainProblemOf(response: HttpResponse): string {
  const problem = problemOf(response);
  // https://docs.stripe.com/error-low-level: the result of a request that ends with 5xx is unknown.
  return response.status < 500
    ? problem
    : problem + '; the refund may have been made, look for it at Stripe before you ask again';
}

function headlineOf(status: i32, error: Json | null): string {
  if (status == 401) return 'Stripe refused the credential';
  if (status == 403) return 'the credential may not do this at Stripe';
  if (status == 404) return 'Stripe does not have it';
  if (status == 429) return 'Stripe asks for fewer requests; try again later';
  if (error !== null && error.getString('type') == 'idempotency_error') {
    return 'Stripe saw this idempotency key with another request';
  }
  if (status == 409) return 'Stripe is at work on the same object; try again later';
  if (status >= 500) return 'Stripe failed';
  if (status >= 400) return 'Stripe refused the request';
  return 'Stripe answered with an unexpected status';
}

function errorOf(response: HttpResponse): Json | null {
  const body = response.json();
  return body === null ? null : body.get('error');
}

function saidBy(error: Json): string {
  let said = error.getString('message').substring(0, MAX_MESSAGE);
  const decline = error.getString('decline_code');
  const code = decline == '' ? error.getString('code') : decline;
  if (code != '') said += said == '' ? code : ` [${code}]`;
  const param = error.getString('param');
  if (param != '') said += ` (field ${param})`;
  return said;
}
