import { expect, test } from 'bun:test';
import * as v from 'valibot';
import {
  ClaimRequestSchema,
  DispatchSchema,
  EgressCallSchema,
  HeartbeatSchema,
  OutcomeSchema,
} from './internal-api.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { TicketSchema } from './ticket.ts';

const action = 'act_019b76da80007000800000000000aaaa';
const attempt = 'att_019b76da80007000800000000000bbbb';
const digest = `sha256:${'a'.repeat(64)}`;
const usage = {
  wallMs: 1,
  cpuMs: 1,
  memoryBytes: 1,
  egressCalls: 0,
  egressBytesOut: 0,
  egressBytesIn: 0,
  logLines: 0,
  hostCalls: 0,
};
const accepts = (schema: v.GenericSchema, value: unknown) => v.safeParse(schema, value).success;

test('what Temporal carries is ids and nothing else', () => {
  expect(accepts(DispatchSchema, { workspace: 'acme', action })).toBe(true);
  expect(accepts(DispatchSchema, { workspace: 'acme', action, input: {} })).toBe(false);
  expect(accepts(DispatchSchema, { workspace: 'ACME', action })).toBe(false);
});

test('a claim names a known isolation level', () => {
  const claim = { workspace: 'acme', action, isolation: 'process', engine: 'e' };
  expect(accepts(ClaimRequestSchema, claim)).toBe(true);
  expect(accepts(ClaimRequestSchema, { ...claim, isolation: 'none' })).toBe(false);
});

test('an outcome is bounded in what a hostile host may send', () => {
  const outcome = { verdict: 'succeeded', output: 'e30=', usage, calls: [] };
  expect(accepts(OutcomeSchema, outcome)).toBe(true);
  for (const change of [
    { verdict: 'lost' },
    { output: '{}' },
    { calls: undefined },
    { usage: { ...usage, wallMs: -1 } },
    { error: { code: 'x'.repeat(65), message: '' } },
    { state: 'succeeded' },
  ]) {
    expect(accepts(OutcomeSchema, { ...outcome, ...change })).toBe(false);
  }
});

test('an egress call is a claim with sane numbers', () => {
  const call = {
    call: 0,
    method: 'GET',
    scheme: 'https',
    host: 'a.example.com',
    port: 443,
    path: '/',
    verdict: 'denied',
    requestDigest: digest,
    bytesOut: 0,
    bytesIn: 0,
    ms: 5,
  };
  expect(accepts(EgressCallSchema, call)).toBe(true);
  for (const change of [
    { call: -1 },
    { call: 2_147_483_648 },
    { bytesOut: 2_147_483_648 },
    { ms: 1e300 },
    { path: '/\0' },
    { host: 'a\0' },
    { reason: '\0' },
    { rule: '\0' },
    { address: '\0' },
    { port: 70_000 },
    { status: 42 },
    { ms: -1 },
    { ms: 0.5 },
    { secret: 'x' },
  ]) {
    expect(accepts(EgressCallSchema, { ...call, ...change })).toBe(false);
  }
});

test('the calls of one report have numbers of their own', () => {
  const call = {
    ...{ call: 0, method: 'GET', scheme: 'https', host: 'a.example.com', port: 443, path: '/' },
    ...{ verdict: 'denied', requestDigest: digest, bytesOut: 0, bytesIn: 0, ms: 0 },
  };
  expect(accepts(HeartbeatSchema, { calls: [call, { ...call, call: 2_147_483_647 }] })).toBe(true);
  expect(accepts(HeartbeatSchema, { calls: [call, { ...call, method: 'HEAD' }] })).toBe(false);
});

test('a ticket has a fence from 1 and whole limits', () => {
  const ticket = {
    v: 1,
    iss: 'portarium',
    aud: 'host-1',
    workspace: 'acme',
    action,
    attempt,
    fence: 1,
    plugin: digest,
    inputDigest: digest,
    contractDigest: digest,
    limits: DEFAULT_LIMITS,
    seed: '00',
    startTime: '2026-01-01T00:00:00.000Z',
    exp: 1,
  };
  expect(accepts(TicketSchema, ticket)).toBe(true);
  expect(accepts(TicketSchema, { ...ticket, fence: 0 })).toBe(false);
  expect(accepts(TicketSchema, { ...ticket, limits: { wallMs: 1 } })).toBe(false);
});

test('only a call that left by https has the key of a server', () => {
  const call = {
    ...{ call: 0, method: 'GET', scheme: 'https', host: 'a.test', port: 443, path: '/' },
    ...{ verdict: 'failed', requestDigest: digest, bytesOut: 0, bytesIn: 0, ms: 5 },
    tlsPeerKeyHash: digest,
  };
  const reports = (change: object) => accepts(HeartbeatSchema, { calls: [{ ...call, ...change }] });
  expect(reports({})).toBe(true);
  expect(reports({ tlsPeerKeyHash: 'aa' })).toBe(false);
  expect(reports({ scheme: 'http' })).toBe(false);
  expect(reports({ verdict: 'denied' })).toBe(false);
});
