/**
 * A write of a dry run: recorded with everything that would be sent, and answered from the examples of the
 * operation. Opens no connection, asks for no leave, and sees no secret.
 */
import { digestOf } from '@portarium/contracts/digest';
import { answerTo, writtenBody } from '@portarium/contracts/example-answer';
import type { WorkOrder } from '@portarium/contracts/internal-api';
import { bytesOutOf } from './budget.ts';
import { checkedAddress } from './checked-address.ts';
import { refused, whereOf } from './egress-answer.ts';
import { guestResponse } from './guest-response.ts';
import { bodyDigest, credentialSlot } from './judge-request.ts';
import type { CallEnd, CallSurroundings, CallTask } from './live-call.ts';

/** What a dry run is answered with, and the credentials that it names. */
export type DryRun = NonNullable<WorkOrder['dryRun']>;

/** What the action's clock advances by: always the same, so that what follows is. */
const CALL_MS = 10;

/** Characters of a path that the hint shows. */
const MOST_PATH = 120;

export async function withholdWrite(
  { call, allowed, maxResponseBytes }: CallTask,
  { contract, options, signal }: Omit<CallSurroundings, 'control'>,
  { answers, credentials }: DryRun,
): Promise<CallEnd> {
  const { request, rules, rule, draft } = allowed;
  const { host } = request.target;
  const known = { call, ...draft, rule };
  const bytesOut = bytesOutOf(request);
  // A closed address is refused as it would be; the name is looked up, and nothing is connected to.
  const checked = await checkedAddress(host, { ...options, networks: contract.networks, signal });
  if (!checked.ok) {
    const denied = checked.denied ? ({ verdict: 'denied', layer: 'address' } as const) : undefined;
    const { reason } = checked;
    const how = denied ?? ({ verdict: 'failed', sent: false } as const);
    return { record: { ...known, ...how, reason, bytesOut: 0, bytesIn: 0, ms: 0 }, bytesIn: 0 };
  }
  const slot = credentialSlot(rules);
  const credential = credentials.find((one) => one.slot === slot)?.id;
  if (slot !== undefined && credential === undefined) {
    const message = whereOf(draft, `no live credential fills the slot ${slot}`);
    return { bytesIn: 0, refusal: refused('credential.unavailable', message) };
  }
  const withheld = {
    ...known,
    verdict: 'withheld' as const,
    address: checked.address,
    ...(credential === undefined ? {} : { credential }),
    request: {
      url: request.url,
      headers: request.headers.map(([name, value]): [string, string] => [name, value]),
      bodyDigest: await bodyDigest(request.body),
      bodyBytes: request.body.length,
    },
    ms: CALL_MS,
  };
  const requestBody = request.body.length === 0 ? {} : { requestBody: request.body };
  const unanswered = (reason: string): CallEnd => ({
    record: { ...withheld, reason, bytesOut, bytesIn: 0 },
    ...requestBody,
    bytesIn: 0,
  });
  const answer = answerTo(answers, request.target);
  if (!answer) {
    const { method } = request.target;
    const path = request.target.path.slice(0, MOST_PATH);
    return unanswered(
      `no example of the operation answers ${method} ${path}; in plugin.json, an answer is {"method":"${method}","path":"${path}","status":200,"body":…} among the answers of an example`,
    );
  }
  const { status, headers } = answer;
  const written = { status, headers, body: writtenBody(answer.body) };
  const response = guestResponse(written, undefined, maxResponseBytes);
  if (!response.ok) return unanswered(`its example can not be read: ${response.reason}`);
  const { body } = response;
  if (body.length > maxResponseBytes) {
    return unanswered(`its example has ${body.length} bytes, and ${maxResponseBytes} are left`);
  }
  return {
    record: {
      ...withheld,
      status: response.status,
      responseHeaders: response.headers,
      responseDigest: await digestOf(body),
      bytesOut,
      bytesIn: body.length,
    },
    body,
    ...requestBody,
    bytesIn: body.length,
  };
}
