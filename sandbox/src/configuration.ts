/** What the environment configures of a sandbox host; the only reader of `process.env` here. */
import { readFile } from 'node:fs/promises';
import { ISOLATION_LEVELS } from '@portarium/contracts/internal-api';
import * as v from 'valibot';
import { removeProxies } from './egress/proxy-environment.ts';
import type { IsolationLevel } from './isolation/levels.ts';

const number = (least: number, most: number) =>
  v.pipe(v.string(), v.regex(/^\d+$/), v.transform(Number), v.minValue(least), v.maxValue(most));

/** Every variable that a sandbox host reads. */
export const SandboxEnvironmentSchema = v.object({
  PORTARIUM_CONTROL_URL: v.pipe(
    v.pipe(
      v.string(),
      v.regex(/^https?:\/\/[^/]+\/?$/, 'expected http:// or https:// and a host, without a path'),
      v.transform((url) => url.replace(/\/$/, '')),
    ),
    v.description('Base URL of the Control Plane, without a path.'),
    v.metadata({ type: 'address' }),
  ),
  PORTARIUM_HOST_KEY: v.pipe(
    v.optional(v.string()),
    v.description("The host's own key; it or its file is required."),
    v.metadata({ type: 'secret' }),
  ),
  PORTARIUM_HOST_KEY_FILE: v.pipe(
    v.optional(v.string()),
    v.description('File with that key.'),
    v.metadata({ type: 'file' }),
  ),
  PORTARIUM_TEMPORAL_ADDRESS: v.pipe(
    v.optional(v.string(), '127.0.0.1:7233'),
    v.description('Where Temporal is.'),
    v.metadata({ type: 'host and port' }),
  ),
  PORTARIUM_TEMPORAL_NAMESPACE: v.pipe(
    v.optional(v.string(), 'default'),
    v.description('Namespace of the environment.'),
  ),
  PORTARIUM_TASK_QUEUE: v.pipe(
    v.optional(
      v.pipe(v.string(), v.regex(/^sandbox\.[a-z0-9-]+$/, 'expected sandbox.<pool>')),
      'sandbox.default',
    ),
    v.description('Queue whose attempts it runs: `sandbox.` and the name of a pool.'),
  ),
  PORTARIUM_CELLS: v.pipe(
    v.optional(number(1, 256), '4'),
    v.description('Attempts that run at once.'),
  ),
  SANDBOX_REQUIRE_ISOLATION: v.pipe(
    v.optional(v.picklist(ISOLATION_LEVELS), 'process'),
    v.description(
      'Weakest isolation of cells that the host starts with: `process`, `seccomp` or `namespaces+seccomp`. Production asks for `seccomp`.',
    ),
    v.metadata({ type: 'level' }),
  ),
  PORTARIUM_HEALTH_PORT: v.pipe(
    v.optional(number(0, 65_535), '0'),
    v.description('Loopback port of /livez, /readyz and /healthz; 0 takes a free one.'),
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: v.pipe(
    v.optional(v.pipe(v.string(), v.regex(/^https?:\/\//, 'expected http:// or https://'))),
    v.description(
      'OpenTelemetry collector that spans of egress calls are sent to, by OTLP over HTTP; none without it.',
    ),
    v.metadata({ type: 'address' }),
  ),
  PATH: v.pipe(
    v.optional(v.string(), '/usr/bin:/bin'),
    v.description('Where `setpriv`, `prlimit` and `bwrap` are looked for.'),
    v.metadata({ type: 'folders' }),
  ),
  PORTARIUM_DRAIN_MS: v.pipe(
    v.optional(number(0, 900_000), '10000'),
    v.description(
      'How long attempts may finish after SIGTERM, in milliseconds; a launcher kills after 15 s.',
    ),
  ),
});

const EnvironmentSchema = v.pipe(
  SandboxEnvironmentSchema,
  v.check(
    ({ PORTARIUM_HOST_KEY: key, PORTARIUM_HOST_KEY_FILE: file }) => Boolean(key) || Boolean(file),
    'set PORTARIUM_HOST_KEY or PORTARIUM_HOST_KEY_FILE',
  ),
);

export interface SandboxConfiguration {
  readonly controlUrl: string;
  readonly hostKey: string;
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  readonly taskQueue: string;
  readonly cells: number;
  readonly requireIsolation: IsolationLevel;
  readonly healthPort: number;
  readonly drainMs: number;
  /** Where spans are sent, if anywhere. */
  readonly telemetryEndpoint: string | undefined;
  /** Where executables are looked for. */
  readonly searchPath: string;
}

export type ConfigurationResult =
  | { readonly ok: true; readonly configuration: SandboxConfiguration }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Where executables are looked for, for what needs no configuration beside. */
export function readSearchPath(): string {
  return process.env.PATH ?? '/usr/bin:/bin';
}

/** Call it before anything connects. Gives the names of the variables that were there. */
export function leaveProxiesOut(): readonly string[] {
  return removeProxies(process.env);
}

export async function readConfiguration(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<ConfigurationResult> {
  const parsed = v.safeParse(EnvironmentSchema, environment);
  if (!parsed.success) {
    const problems = parsed.issues.map((issue) => {
      const name = v.getDotPath(issue);
      return name ? `${name}: ${issue.message}` : issue.message;
    });
    return { ok: false, problems };
  }
  const env = parsed.output;
  let hostKey = env.PORTARIUM_HOST_KEY ?? '';
  if (hostKey === '') {
    const file = env.PORTARIUM_HOST_KEY_FILE ?? '';
    try {
      hostKey = (await readFile(file, 'utf8')).trim();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { ok: false, problems: [`PORTARIUM_HOST_KEY_FILE: ${reason}`] };
    }
  }
  return {
    ok: true,
    configuration: {
      controlUrl: env.PORTARIUM_CONTROL_URL,
      hostKey,
      temporalAddress: env.PORTARIUM_TEMPORAL_ADDRESS,
      temporalNamespace: env.PORTARIUM_TEMPORAL_NAMESPACE,
      taskQueue: env.PORTARIUM_TASK_QUEUE,
      cells: env.PORTARIUM_CELLS,
      requireIsolation: env.SANDBOX_REQUIRE_ISOLATION,
      healthPort: env.PORTARIUM_HEALTH_PORT,
      drainMs: env.PORTARIUM_DRAIN_MS,
      telemetryEndpoint: env.OTEL_EXPORTER_OTLP_ENDPOINT,
      searchPath: env.PATH,
    },
  };
}
