/**
 * `stack.json` in the data folder: what the supervisor runs right now. `status`, `down` and
 * `up --detach` read it; the next supervisor uses it to clear what a killed one left behind.
 */
import * as v from 'valibot';
import { readJsonFile, writeFileAtomically } from './atomic-file.ts';
import { ProcessIdentitySchema } from './process/process-identity.ts';

export const PART_STATES = [
  'waiting',
  'resolving',
  'building',
  'starting',
  'ready',
  'restarting',
  'stopping',
  'stopped',
  'failed',
] as const;
export type PartState = (typeof PART_STATES)[number];

const PartStatusSchema = v.object({
  part: v.picklist(['postgres', 'temporal', 'nats', 'control', 'sandbox']),
  state: v.picklist(PART_STATES),
  /** Process id while it runs. */
  pid: v.optional(v.number()),
  /** Loopback port that it serves. */
  port: v.number(),
  /** Times it was started again after it died. */
  restarts: v.number(),
  /** What it waits for or why it failed. */
  detail: v.optional(v.string()),
});

export type PartStatus = Readonly<v.InferOutput<typeof PartStatusSchema>>;

/** How a stack was started, for whoever stops it for a while. */
const StartedWithSchema = v.object({
  /** False when it ends with a terminal or a service that holds it. */
  background: v.boolean(),
  httpPort: v.optional(v.number()),
  outside: v.optional(
    v.object({
      listen: v.string(),
      tls: v.optional(v.object({ certFile: v.string(), keyFile: v.string() })),
    }),
  ),
  /** Variables that were set and that configure it. */
  variables: v.record(v.string(), v.string()),
});

export type StartedWith = v.InferOutput<typeof StartedWithSchema>;

const StackFileSchema = v.object({
  state: v.picklist(['starting', 'ready', 'stopping', 'stopped', 'failed']),
  supervisor: ProcessIdentitySchema,
  version: v.string(),
  /** Base address of the Control Plane; empty when only services run. */
  url: v.string(),
  parts: v.array(PartStatusSchema),
  /** Live children, PostgreSQL among them marked: it is stopped gently. */
  processes: v.array(
    v.object({ ...ProcessIdentitySchema.entries, part: PartStatusSchema.entries.part }),
  ),
  error: v.optional(v.string()),
  startedWith: v.optional(StartedWithSchema),
});

export type StackFile = v.InferOutput<typeof StackFileSchema>;
export type RecordedProcess = StackFile['processes'][number];

export function readStackFile(path: string): StackFile | undefined {
  return readJsonFile(path, StackFileSchema);
}

export function writeStackFile(path: string, content: StackFile): void {
  writeFileAtomically(path, `${JSON.stringify(content, null, 2)}\n`, 0o600);
}
