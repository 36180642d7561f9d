/** What the actions of the tests are made of. */
import type { EgressContract, EgressRule } from '../egress-rule.ts';
import { DEFAULT_LIMITS } from '../limits.ts';

const encoder = new TextEncoder();
/** As it was uploaded, and as it runs. */
export const PLUGIN = encoder.encode('\0asm as far as a verifier cares');
export const REWRITTEN = encoder.encode('\0asm with metered memory');
export const OUTPUT = encoder.encode('{"id":"re_1","status":"succeeded"}');
export const LIMITS = { ...DEFAULT_LIMITS, wallMs: 5_000 };

const place = { scheme: 'https', host: 'api.stripe.com', port: 443 } as const;
const idempotency = { header: 'Idempotency-Key', retentionHours: 24 };
const RULES: EgressRule[] = [
  { id: 'charge', methods: ['GET'], ...place, path: '/v1/charges/{id}' },
  {
    ...{ id: 'refunds', methods: ['POST'], ...place, path: '/v1/refunds' },
    ...{ credential: 'stripe', idempotency },
  },
  { id: 'notes', methods: ['POST', 'PUT'], ...place, path: '/v1/notes', credential: 'stripe' },
];
export const CONTRACT: EgressContract = {
  plugin: RULES,
  operator: RULES.map((rule) => (rule.id === 'notes' ? { ...rule, id: 'granted-notes' } : rule)),
  networks: [],
  approval: [],
};

/** Less than the contract, as an approver writes it. */
export const NARROWED: EgressRule[] = [
  { id: 'only-refunds', methods: ['POST'], ...place, path: '/v1/refunds', credential: 'stripe' },
];

/** Calls that the contract allows. */
export const CALLS = {
  read: {
    ...place,
    ...{ method: 'GET', path: '/v1/charges/ch_1', rule: 'charge' },
    ...{ credential: false, idempotencyKeyed: false },
  },
  keyed: {
    ...place,
    ...{ method: 'POST', path: '/v1/refunds', rule: 'refunds' },
    ...{ credential: true, idempotencyKeyed: true },
  },
  unkeyed: {
    ...place,
    ...{ method: 'POST', path: '/v1/notes', rule: 'notes granted-notes' },
    ...{ credential: true, idempotencyKeyed: false },
  },
} as const;
