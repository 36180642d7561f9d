/** `/internal/v1`: what sandbox hosts may do, and nothing else. */
import { DigestSchema, digestOf } from '@portarium/contracts/digest';
import { AttemptIdSchema } from '@portarium/contracts/ids';
import {
  CandidateClaimSchema,
  CandidateVerdictSchema,
  ClaimRequestSchema,
  HeartbeatSchema,
  IntentSchema,
  OutcomeSchema,
  TICKET_HEADER,
} from '@portarium/contracts/internal-api';
import { MAX_LIMITS, PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { Ticket } from '@portarium/contracts/ticket';
import { claimAttempt } from '../application/claim-attempt.ts';
import type { Caller, Context } from '../application/context.ts';
import { intendCall } from '../application/intend-call.ts';
import {
  keepBody,
  reportHeartbeat,
  reportOutcome,
  verifyTicket,
} from '../application/report-attempt.ts';
import { judgeCandidate, takeCandidate } from '../application/try-module.ts';
import { type Api, allow, type Exchange, unwrap } from './api.ts';
import { refuse } from './problems.ts';
import { parsePath, readBytes, readJson } from './read-body.ts';

/** Base64 output, log lines and a full report of calls. */
const OUTCOME_BYTES =
  Math.ceil(MAX_LIMITS.outputBytes * 1.4) + 2 * MAX_LIMITS.logBytes + 4 * 1024 * 1024;

/** Half a mebibyte of records in characters, and a quarter of bodies: with room for any encoding. */
const REPORT_BYTES = 8 * 1024 * 1024;

export function internalRoutes(app: Api, context: Context): void {
  app.post('/internal/v1/claims', async (exchange) => {
    const caller = await allow(context, exchange, 'attempt.run');
    const request = await readJson(exchange.req.raw, ClaimRequestSchema, PLATFORM_LIMITS.bodyBytes);
    return exchange.json(unwrap(await claimAttempt(context, caller, request)));
  });

  app.post('/internal/v1/candidates/claims', async (exchange) => {
    const caller = await allow(context, exchange, 'attempt.run');
    const claim = await readJson(exchange.req.raw, CandidateClaimSchema, PLATFORM_LIMITS.bodyBytes);
    const module = unwrap(await takeCandidate(context, caller, claim));
    return exchange.body(module as Uint8Array<ArrayBuffer>, 200, {
      'content-type': 'application/wasm',
    });
  });

  app.post('/internal/v1/candidates/verdicts', async (exchange) => {
    const caller = await allow(context, exchange, 'attempt.run');
    const verdict = await readJson(
      exchange.req.raw,
      CandidateVerdictSchema,
      PLATFORM_LIMITS.bodyBytes,
      // What an engine says of a module is cleaned, not refused.
      ['finding'],
    );
    unwrap(await judgeCandidate(context, caller, verdict));
    return exchange.body(null, 204);
  });

  app.get('/internal/v1/attempts/:attempt/module', async (exchange) => {
    const { ticket } = await ticketed(context, exchange);
    const plugin = await context.store.read(ticket.workspace, async (tx) => {
      const action = await tx.findAction(ticket.action);
      return action && tx.findPlugin(action.plugin, action.version);
    });
    const bytes = plugin && (await context.objects.get(ticket.workspace, plugin.moduleDigest));
    if (!bytes)
      return refuse('not-found', 'The module of this attempt is not in the evidence store.');
    return exchange.body(bytes as Uint8Array<ArrayBuffer>, 200, {
      'content-type': 'application/wasm',
    });
  });

  app.post('/internal/v1/attempts/:attempt/heartbeat', async (exchange) => {
    const { ticket, caller } = await ticketed(context, exchange);
    const report = await readJson(exchange.req.raw, HeartbeatSchema, REPORT_BYTES);
    return exchange.json(unwrap(await reportHeartbeat(context, caller, ticket, report)));
  });

  app.post('/internal/v1/attempts/:attempt/intents', async (exchange) => {
    const { ticket, caller } = await ticketed(context, exchange);
    const intent = await readJson(exchange.req.raw, IntentSchema, REPORT_BYTES);
    const answer = unwrap(await intendCall(context, caller, ticket, intent));
    return exchange.json(answer, 200, { 'cache-control': 'no-store' });
  });

  app.put('/internal/v1/attempts/:attempt/bodies/:digest', async (exchange) => {
    const { ticket } = await ticketed(context, exchange);
    const digest = parsePath(DigestSchema, exchange.req.param('digest'), 'body');
    const { egressBytesIn, egressBytesOut } = ticket.limits;
    const bytes = await readBytes(exchange.req.raw, Math.max(egressBytesIn, egressBytesOut));
    if ((await digestOf(bytes)) !== digest) {
      refuse('input.invalid', 'The body is not what its digest says.');
    }
    unwrap(await keepBody(context, ticket, digest, bytes));
    return exchange.body(null, 204);
  });

  app.get('/internal/v1/attempts/:attempt/bodies/:digest', async (exchange) => {
    const { ticket } = await ticketed(context, exchange);
    const digest = parsePath(DigestSchema, exchange.req.param('digest'), 'body');
    const bytes = await context.store.read(ticket.workspace, (tx) =>
      tx.findBody(ticket.action, digest),
    );
    if (!bytes) return refuse('not-found', 'No body of this action has that digest.');
    return exchange.body(bytes as Uint8Array<ArrayBuffer>, 200, {
      'content-type': 'application/octet-stream',
    });
  });

  app.post('/internal/v1/attempts/:attempt/outcome', async (exchange) => {
    const { ticket, caller } = await ticketed(context, exchange);
    // What the guest wrote is cleaned, not refused: its outcome has to be stored.
    const free = ['error', 'logs'];
    const outcome = await readJson(exchange.req.raw, OutcomeSchema, OUTCOME_BYTES, free);
    return exchange.json(unwrap(await reportOutcome(context, caller, ticket, outcome)));
  });
}

async function ticketed(
  context: Context,
  exchange: Exchange,
): Promise<{ caller: Caller; ticket: Ticket }> {
  const caller = await allow(context, exchange, 'attempt.run');
  const attempt = parsePath(AttemptIdSchema, exchange.req.param('attempt'), 'attempt');
  const ticket = unwrap(
    await verifyTicket(context, caller, exchange.req.header(TICKET_HEADER), attempt),
  );
  return { caller, ticket };
}
