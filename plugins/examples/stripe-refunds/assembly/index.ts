// Reads and makes refunds by Stripe's API (https://docs.stripe.com/api/refunds). The broker sets the
// key and the idempotency key: this code never sees either.
import {
  Header,
  Json,
  JsonKind,
  config,
  fail,
  http,
  inputJson,
  outputJson,
} from '@portarium/sdk/assembly';
import { problemOf, uncertainProblemOf } from './problem';

export function list_refunds(): i32 {
  const baseUrl = config('baseUrl');
  if (baseUrl === null) return fail('the configuration has no baseUrl');
  const response = http.get(baseUrl + '/v1/refunds?' + queryOf(inputJson()), [
    new Header('accept', 'application/json'),
  ]);
  if (!response.ok) return fail(problemOf(response));
  const page = response.json();
  if (page === null) return fail('Stripe answered with something that is not JSON');
  const data = page.get('data');
  if (data === null || data.kind != JsonKind.Array) {
    return fail('Stripe answered without a list of refunds');
  }
  const refunds = Json.array();
  for (let i = 0; i < data.length; i++) refunds.push(refundOf(data.at(i)));
  outputJson(
    Json.object().set('refunds', refunds).set('hasMore', Json.bool(page.getBool('has_more'))),
  );
  return 0;
}

export function create_refund(): i32 {
  const baseUrl = config('baseUrl');
  if (baseUrl === null) return fail('the configuration has no baseUrl');
  const response = http.request(
    'POST',
    baseUrl + '/v1/refunds',
    [
      new Header('accept', 'application/json'),
      new Header('content-type', 'application/x-www-form-urlencoded'),
    ],
    formOf(inputJson()),
  );
  if (!response.ok) return fail(uncertainProblemOf(response));
  const refund = response.json();
  if (refund === null || refund.getString('id') == '') {
    return fail(
      'Stripe accepted the refund and answered with something that is no refund; look for it at Stripe before you ask again',
    );
  }
  outputJson(refundOf(refund));
  return 0;
}

function queryOf(input: Json): string {
  let query = 'limit=' + (<i32>input.getNumber('limit', 10)).toString();
  const charge = input.getString('charge');
  if (charge != '') query += '&charge=' + encodeURIComponent(charge);
  const after = input.getString('startingAfter');
  if (after != '') query += '&starting_after=' + encodeURIComponent(after);
  return query;
}

/** Fields in one fixed order: the journal compares attempts byte by byte. */
function formOf(input: Json): string {
  const fields: string[] = [];
  const charge = input.getString('charge');
  if (charge != '') fields.push('charge=' + encodeURIComponent(charge));
  const intent = input.getString('paymentIntent');
  if (intent != '') fields.push('payment_intent=' + encodeURIComponent(intent));
  if (input.get('amount') !== null) {
    fields.push('amount=' + (<i64>input.getNumber('amount')).toString());
  }
  const reason = input.getString('reason');
  if (reason != '') fields.push('reason=' + encodeURIComponent(reason));
  return fields.join('&');
}

function refundOf(refund: Json): Json {
  const result = Json.object()
    .set('id', Json.string(refund.getString('id')))
    .set('amount', Json.number(refund.getNumber('amount')))
    .set('currency', Json.string(refund.getString('currency')))
    .set('status', Json.string(refund.getString('status', 'unknown')));
  copyId(refund, 'charge', result, 'charge');
  copyId(refund, 'payment_intent', result, 'paymentIntent');
  const reason = refund.getString('reason');
  if (reason != '') result.set('reason', Json.string(reason));
  return result.set('created', Json.number(refund.getNumber('created')));
}

/** Stripe sends the whole object in place of its id when asked to expand it. */
function copyId(from: Json, field: string, to: Json, name: string): void {
  const value = from.get(field);
  if (value === null) return;
  if (value.kind == JsonKind.String) to.set(name, value);
  if (value.kind == JsonKind.Object) to.set(name, Json.string(value.getString('id')));
}
