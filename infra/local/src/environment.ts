/**
 * The launcher's configuration from environment variables: the only file here that reads
 * `process.env`. It decides nothing; it only parses and fills in defaults.
 */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import * as v from 'valibot';

const filled = v.optional(
  v.pipe(
    v.string(),
    v.transform((text) => (text === '' ? undefined : text)),
  ),
);

const port = v.optional(
  v.pipe(
    v.string(),
    v.regex(/^\d{1,5}$/, 'expected a port number from 1 to 65535'),
    v.transform(Number),
    v.minValue(1),
    v.maxValue(65_535),
  ),
);

/** Every variable that the launcher reads; docs/reference/configuration.md is made of this. */
export const EnvironmentSchema = v.object({
  PORTARIUM_DATA: v.pipe(
    filled,
    v.description('Data folder of the local stack; `.portarium/` in the clone unless given.'),
    v.metadata({ type: 'folder' }),
  ),
  PORTARIUM_CACHE: v.pipe(
    filled,
    v.description(
      "Cache of Bun, server binaries and tools, shared by all clones; `portarium` in the user's cache folder unless given.",
    ),
    v.metadata({ type: 'folder' }),
  ),
  PORTARIUM_HTTP_PORT: v.pipe(
    port,
    v.description(
      'Port of the API on loopback; that of the last start, at first 3000 when free, else another free one.',
    ),
  ),
  PORTARIUM_RUNTIME: v.pipe(
    v.optional(v.picklist(['bun', 'deno'], 'expected bun or deno'), 'bun'),
    v.description('What both planes run on: `bun` or `deno`.'),
  ),
  PORTARIUM_TEMPORAL_BIN: v.pipe(
    filled,
    v.description("Temporal's CLI to use instead of looking for one."),
    v.metadata({ type: 'file' }),
  ),
  PORTARIUM_NATS_SERVER_BIN: v.pipe(
    filled,
    v.description('nats-server to use instead of looking for one.'),
    v.metadata({ type: 'file' }),
  ),
  PORTARIUM_STRIPE_MOCK_BIN: v.pipe(
    filled,
    v.description('stripe-mock to use instead of looking for one.'),
    v.metadata({ type: 'file' }),
  ),
  PORTARIUM_VAULT_SERVER_BIN: v.pipe(
    filled,
    v.description('vault-server of the tests to use instead of building it.'),
    v.metadata({ type: 'file' }),
  ),
  PORTARIUM_MINIO_BIN: v.pipe(
    filled,
    v.description('MinIO of the tests to use instead of building it.'),
    v.metadata({ type: 'file' }),
  ),
  XDG_CACHE_HOME: v.pipe(
    filled,
    v.description("The user's cache folder; `~/.cache` unless given."),
    v.metadata({ type: 'folder' }),
  ),
  PATH: v.pipe(
    filled,
    v.description('Where programs are looked for.'),
    v.metadata({ type: 'folders' }),
  ),
});

/** Parsed configuration of the launcher. Paths are absolute. */
export interface LocalEnvironment {
  /** `PORTARIUM_DATA`, when set. */
  readonly dataDir: string | undefined;
  /** Cache of Bun and of server binaries; outside the repository, shared by all clones. */
  readonly cacheDir: string;
  readonly httpPort: number | undefined;
  /** What the planes run on; the launcher and the CLI always run on Bun. */
  readonly runtime: 'bun' | 'deno';
  /** Configured paths of server binaries, by environment variable. */
  readonly binaryPaths: Readonly<Record<string, string | undefined>>;
  readonly path: string;
  /** All variables, for what a child inherits. */
  readonly all: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads the environment.
 * @throws Error that names the variable when one has the wrong form
 */
export function readEnvironment(
  source: Readonly<Record<string, string | undefined>> = process.env,
): LocalEnvironment {
  const parsed = v.safeParse(EnvironmentSchema, source);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw new Error(
      `The environment variable ${v.getDotPath(issue) ?? '?'} is not usable: ${issue.message}. Correct or unset it.`,
    );
  }
  const found = parsed.output;
  const cacheHome = found.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  return {
    dataDir: found.PORTARIUM_DATA === undefined ? undefined : resolve(found.PORTARIUM_DATA),
    cacheDir: resolve(found.PORTARIUM_CACHE ?? join(cacheHome, 'portarium')),
    httpPort: found.PORTARIUM_HTTP_PORT,
    runtime: found.PORTARIUM_RUNTIME,
    binaryPaths: {
      PORTARIUM_TEMPORAL_BIN: found.PORTARIUM_TEMPORAL_BIN,
      PORTARIUM_NATS_SERVER_BIN: found.PORTARIUM_NATS_SERVER_BIN,
      PORTARIUM_STRIPE_MOCK_BIN: found.PORTARIUM_STRIPE_MOCK_BIN,
      PORTARIUM_VAULT_SERVER_BIN: found.PORTARIUM_VAULT_SERVER_BIN,
      PORTARIUM_MINIO_BIN: found.PORTARIUM_MINIO_BIN,
    },
    path: found.PATH ?? '/usr/local/bin:/usr/bin:/bin',
    all: source,
  };
}

const INHERITED =
  /^(PATH|HOME|USER|LANG|LC_ALL|LC_CTYPE|TZ|TMPDIR|SSL_CERT_FILE|SSL_CERT_DIR|NODE_EXTRA_CA_CERTS)$/;

/** What a server or plane inherits: nothing that may carry somebody's credentials. */
export function inheritedVariables({ all }: LocalEnvironment): Record<string, string> {
  return kept(all, (name) => INHERITED.test(name));
}

/** What is set of the variables that this launcher and what it starts go by; paths of files absolute. */
export function configuringVariables({ all }: LocalEnvironment): Record<string, string> {
  const variables = kept(all, isConfiguring);
  for (const [name, value] of Object.entries(variables)) {
    if (isOuter(name) && name.endsWith('_FILE')) variables[name] = resolve(value);
  }
  return variables;
}

/** The variables of this process with those that configure replaced by `variables`, all of them. */
export function variablesWith(
  variables: Readonly<Record<string, string>>,
): Record<string, string | undefined> {
  const others = Object.entries(process.env).filter(([name]) => !isConfiguring(name));
  return { ...Object.fromEntries(others), ...variables };
}

function isConfiguring(name: string): boolean {
  const ours = Object.hasOwn(EnvironmentSchema.entries, name);
  return ours || isOuter(name) || INHERITED.test(name) || PLANE_TUNING.test(name);
}

/** Tuning variables of the planes that a person may set for `up`; connection settings are ours. */
const PLANE_TUNING =
  /^(PORTARIUM_(CELLS|LOG_[A-Z_]+|RATE_[A-Z_]+|INSTANCE)|SANDBOX_REQUIRE_ISOLATION|OTEL_[A-Z_]+)$/;

/** Where the Control Plane keeps credentials, if not in the sealed vault of the data folder. */
const EXTERNAL_VAULT = /^PORTARIUM_VAULT_(ADDR|TOKEN_FILE|MOUNT|PREFIX|NAMESPACE|CA_FILE)$/;

/** Where the Control Plane keeps artifacts, if not in the data folder. */
const EXTERNAL_STORE =
  /^PORTARIUM_EVIDENCE_(STORE|ENDPOINT|REGION|BUCKET|ACCESS_KEY_FILE|SECRET_KEY_FILE|CA_FILE)$/;

const isOuter = (name: string) => EXTERNAL_VAULT.test(name) || EXTERNAL_STORE.test(name);

/** Of services of one's own; for the Control Plane alone. */
export function outerVariables(environment: LocalEnvironment): Record<string, string> {
  return kept(configuringVariables(environment), isOuter);
}

/** The tuning variables that the person who runs the launcher has set. */
export function planeTuning({ all }: LocalEnvironment): Record<string, string> {
  return kept(all, (name) => PLANE_TUNING.test(name));
}

/** Of the variables that are set, those whose name is wanted. */
function kept(
  variables: LocalEnvironment['all'],
  wanted: (name: string) => boolean,
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(variables)) {
    if (value !== undefined && wanted(name)) found[name] = value;
  }
  return found;
}
