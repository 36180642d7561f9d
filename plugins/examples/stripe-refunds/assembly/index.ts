// Reads refunds from Stripe's API (https://docs.stripe.com/api/refunds/list). Sends only GET.
import {
  Header,
  HttpResponse,
  Json,
  JsonKind,
  config,
  fail,
  http,
  inputJson,
  outputJson,
} from '@portarium/sdk/assembly';

export function list_refunds(): i32 {
  const baseUrl = config('baseUrl');
  const apiKey = config('apiKey');
  if (baseUrl === null) return fail('the configuration has no baseUrl');
  if (apiKey === null) return fail('the configuration has no apiKey');
  const response = http.get(baseUrl + '/v1/refunds?' + queryOf(inputJson()), [
    new Header('accept', 'application/json'),
    new Header('authorization', 'Bearer ' + apiKey),
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

function queryOf(input: Json): string {
  let query = 'limit=' + (<i32>input.getNumber('limit', 10)).toString();
  const charge = input.getString('charge');
  if (charge != '') query += '&charge=' + encodeURIComponent(charge);
  const after = input.getString('startingAfter');
  if (after != '') query += '&starting_after=' + encodeURIComponent(after);
  return query;
}

function refundOf(refund: Json): Json {
  const result = Json.object()
    .set('id', Json.string(refund.getString('id')))
    .set('amount', Json.number(refund.getNumber('amount')))
    .set('currency', Json.string(refund.getString('currency')))
    .set('status', Json.string(refund.getString('status', 'unknown')));
  const charge = refund.get('charge');
  if (charge !== null && charge.kind == JsonKind.String) result.set('charge', charge);
  // Stripe sends the whole charge in place of its id when asked to expand it.
  if (charge !== null && charge.kind == JsonKind.Object) {
    result.set('charge', Json.string(charge.getString('id')));
  }
  return result.set('created', Json.number(refund.getNumber('created')));
}

function problemOf(response: HttpResponse): string {
  if (response.status == 0) return 'no answer came from Stripe; the log says why';
  const status = `Stripe answered ${response.status}`;
  const body = response.json();
  if (body === null) return status;
  const error = body.get('error');
  if (error === null) return status;
  const message = error.getString('message');
  return message == '' ? status : status + ': ' + message;
}
