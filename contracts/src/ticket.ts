/** The claims inside a ticket: a compact JWS (EdDSA) that lets one host run one attempt. */
import * as v from 'valibot';
import { DigestSchema } from './digest.ts';
import { ActionIdSchema, AttemptIdSchema, WorkspaceIdSchema } from './ids.ts';
import { AttemptLimitsSchema } from './internal-api.ts';

export const TicketSchema = v.object({
  v: v.literal(1),
  iss: v.string(),
  /** The id of the host that it names; useless to any other. */
  aud: v.string(),
  workspace: WorkspaceIdSchema,
  action: ActionIdSchema,
  attempt: AttemptIdSchema,
  /** Grows with every attempt of the action. */
  fence: v.pipe(v.number(), v.integer(), v.minValue(1)),
  plugin: DigestSchema,
  inputDigest: DigestSchema,
  contractDigest: DigestSchema,
  limits: AttemptLimitsSchema,
  seed: v.string(),
  startTime: v.string(),
  /** Seconds since the epoch. */
  exp: v.number(),
});
export type Ticket = v.InferOutput<typeof TicketSchema>;
