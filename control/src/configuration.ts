/** Configuration of the Control Plane, read from the environment once. Every variable stands here. */
import * as v from 'valibot';

const port = v.pipe(
  v.string(),
  v.regex(/^\d{1,5}$/, 'expected a port number'),
  v.transform(Number),
  v.minValue(0),
  v.maxValue(65_535),
);

/** IPv6 in brackets. */
const LISTEN = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):\d{1,5}$/;

const rate = v.pipe(
  v.string(),
  v.regex(/^[1-9]\d{0,5}$/, 'expected 1 to 999999 a second'),
  v.transform(Number),
  v.minValue(1),
  v.maxValue(999_999),
);

const vaultPath = v.pipe(
  v.string(),
  v.regex(
    /^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/,
    'expected letters, digits, “-” and “_”, with slashes between',
  ),
);

export const ConfigurationSchema = v.object({
  PORTARIUM_DATABASE_URL: v.pipe(
    v.pipe(v.string(), v.regex(/^postgres(ql)?:\/\//, 'expected postgres://…')),
    v.description('Connection of the runtime role `portarium_runtime`.'),
    v.metadata({ type: 'address' }),
  ),
  PORTARIUM_DATABASE_OWNER_URL: v.pipe(
    v.optional(v.string()),
    v.description('Connection of the owner; only `migrate` and `provision` read it.'),
    v.metadata({ type: 'address' }),
  ),
  PORTARIUM_SQUAWK_BIN: v.pipe(
    v.optional(v.string()),
    v.description('squawk, which `migrate check` runs; only that reads it.'),
    v.metadata({ type: 'file' }),
  ),
  PORTARIUM_HTTP_HOST: v.pipe(
    v.optional(v.string(), '127.0.0.1'),
    v.description("Address that it listens on. Plain HTTP: loopback, or a network of one's own."),
    v.metadata({ type: 'host' }),
  ),
  PORTARIUM_HTTP_PORT: v.pipe(v.optional(port, '3000'), v.description('Port of that address.')),
  PORTARIUM_LISTEN: v.pipe(
    v.optional(v.pipe(v.string(), v.regex(LISTEN, 'expected ADDRESS:PORT'))),
    v.description(
      'Second address, `ADDRESS:PORT`, for callers on other machines; internal routes are not there. It needs a certificate, or a proxy in front that has one.',
    ),
    v.metadata({ type: 'host and port' }),
  ),
  PORTARIUM_TLS_CERT_FILE: v.pipe(
    v.optional(v.string()),
    v.description('PEM file with the certificate chain of that address.'),
    v.metadata({ type: 'file' }),
  ),
  PORTARIUM_TLS_KEY_FILE: v.pipe(
    v.optional(v.string()),
    v.description('PEM file with its key.'),
    v.metadata({ type: 'file' }),
  ),
  PORTARIUM_BEHIND_PROXY: v.pipe(
    v.optional(v.picklist(['yes', 'no']), 'no'),
    v.description('`yes`: that address speaks plain HTTP, to a proxy that ends TLS.'),
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
  PORTARIUM_NATS_URL: v.pipe(
    v.optional(v.string(), 'nats://127.0.0.1:4222'),
    v.description('Where NATS is.'),
    v.metadata({ type: 'address' }),
  ),
  PORTARIUM_EVIDENCE_STORE: v.pipe(
    v.optional(v.picklist(['directory', 'minio'], 'expected directory or minio'), 'directory'),
    v.description('What keeps artifacts: `directory`, or `minio`, any S3 with Object Lock.'),
  ),
  PORTARIUM_EVIDENCE_DIR: v.pipe(
    v.optional(v.string()),
    v.description('Folder of the directory evidence store; needed with it.'),
    v.metadata({ type: 'folder' }),
  ),
  PORTARIUM_EVIDENCE_ENDPOINT: v.pipe(
    v.optional(v.string()),
    v.description(
      'Where S3 is, `https://HOST:PORT`; plain `http` to loopback only. Needed with `minio`.',
    ),
    v.metadata({ type: 'address' }),
  ),
  PORTARIUM_EVIDENCE_REGION: v.pipe(
    v.optional(v.string(), 'us-east-1'),
    v.description('Its region.'),
  ),
  PORTARIUM_EVIDENCE_BUCKET: v.pipe(
    v.optional(
      v.pipe(
        v.string(),
        v.regex(
          /^[a-z0-9][a-z0-9-]{1,48}[a-z0-9]$/,
          'expected 3 to 50 lowercase letters, digits and “-”',
        ),
      ),
      'portarium-evidence',
    ),
    v.description(
      'What the names of its buckets begin with; `-operational`, `-compliance`, `-forensic` and `-probe` follow. Missing ones are made, with Object Lock.',
    ),
  ),
  PORTARIUM_EVIDENCE_ACCESS_KEY_FILE: v.pipe(
    v.optional(v.string()),
    v.description('File with its access key; needed with `minio`.'),
    v.metadata({ type: 'file' }),
  ),
  PORTARIUM_EVIDENCE_SECRET_KEY_FILE: v.pipe(
    v.optional(v.string()),
    v.description('File with its secret key; needed with `minio`.'),
    v.metadata({ type: 'file' }),
  ),
  PORTARIUM_EVIDENCE_CA_FILE: v.pipe(
    v.optional(v.string()),
    v.description(
      "PEM file with the authorities that its certificate is checked by; the runtime's own unless given.",
    ),
    v.metadata({ type: 'file' }),
  ),
  PORTARIUM_VAULT_DIR: v.pipe(
    v.string(),
    v.description(
      'Folder of the sealed vault: the instance’s own keys, and credentials unless `PORTARIUM_VAULT_ADDR` is given.',
    ),
    v.metadata({ type: 'folder' }),
  ),
  PORTARIUM_MASTER_KEY: v.pipe(
    v.optional(v.string()),
    v.description(
      'The 64 hexadecimal digits that open the vault; after a change the newest first, then the older.',
    ),
    v.metadata({ type: 'secret' }),
  ),
  PORTARIUM_MASTER_KEY_FILE: v.pipe(
    v.optional(v.string()),
    v.description('File with them, one key a line; either this or `PORTARIUM_MASTER_KEY`.'),
    v.metadata({ type: 'file' }),
  ),
  PORTARIUM_VAULT_ADDR: v.pipe(
    v.optional(v.string()),
    v.description(
      'Vault or OpenBao that keeps the credentials of workspaces, `https://HOST:PORT`; the sealed vault unless given.',
    ),
    v.metadata({ type: 'address' }),
  ),
  PORTARIUM_VAULT_TOKEN_FILE: v.pipe(
    v.optional(v.string()),
    v.description(
      'File with its token, read anew for each call; needed with `PORTARIUM_VAULT_ADDR`.',
    ),
    v.metadata({ type: 'file' }),
  ),
  PORTARIUM_VAULT_MOUNT: v.pipe(
    v.optional(vaultPath, 'secret'),
    v.description('Path of its key-value engine, version 2.'),
  ),
  PORTARIUM_VAULT_PREFIX: v.pipe(
    v.optional(vaultPath, 'portarium'),
    v.description('Path within that engine below which secrets are kept; of one instance alone.'),
  ),
  PORTARIUM_VAULT_NAMESPACE: v.pipe(
    v.optional(v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,255}$/))),
    v.description('Its namespace, where it has those.'),
  ),
  PORTARIUM_VAULT_CA_FILE: v.pipe(
    v.optional(v.string()),
    v.description(
      "PEM file with the authorities that its certificate is checked by; the runtime's own unless given.",
    ),
    v.metadata({ type: 'file' }),
  ),
  PORTARIUM_INSTANCE: v.pipe(
    v.optional(v.pipe(v.string(), v.regex(/^[a-z0-9.-]{1,100}$/)), 'local'),
    v.description("Name that stands in each checkpoint's origin."),
  ),
  PORTARIUM_RATE_PER_KEY: v.pipe(
    v.optional(rate, '200'),
    v.description(
      'Requests a second that one key may send for long; ten times as many in a burst.',
    ),
  ),
  PORTARIUM_RATE_PER_WORKSPACE: v.pipe(
    v.optional(rate, '1000'),
    v.description('The same for all keys together in one workspace.'),
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: v.pipe(
    v.optional(v.string()),
    v.description(
      'OpenTelemetry collector that metrics are sent to, by OTLP over HTTP; none without it.',
    ),
    v.metadata({ type: 'address' }),
  ),
  PORTARIUM_BOOTSTRAP_FILE: v.pipe(
    v.optional(v.string()),
    v.description('Where `bootstrap` writes the first keys.'),
    v.metadata({ type: 'file' }),
  ),
  PORTARIUM_WORKFLOW_BUNDLE: v.pipe(
    v.optional(v.string()),
    v.description('File with the bundled workflow code; made in the cache folder when left out.'),
    v.metadata({ type: 'file' }),
  ),
  PORTARIUM_CONSOLE_DIR: v.pipe(
    v.optional(v.string()),
    v.description(
      'Folder with the built console (`scripts/build-console.ts`); none is served when left out.',
    ),
    v.metadata({ type: 'folder' }),
  ),
  PORTARIUM_CACHE_DIR: v.pipe(
    v.optional(v.string()),
    v.description('Folder for what can be made again, such as bundled workflow code.'),
    v.metadata({ type: 'folder' }),
  ),
});

/** Where an external vault is, or undefined. @throws Error when it is named and has no token */
export function kvVaultOf(configuration: Configuration) {
  const {
    PORTARIUM_VAULT_ADDR: address,
    PORTARIUM_VAULT_TOKEN_FILE: tokenFile,
    PORTARIUM_VAULT_MOUNT: mount,
    PORTARIUM_VAULT_PREFIX: prefix,
    PORTARIUM_VAULT_NAMESPACE: namespace,
    PORTARIUM_VAULT_CA_FILE: authorityFile,
  } = configuration;
  if (address === undefined && tokenFile === undefined) return undefined;
  if (address === undefined) {
    throw new Error('PORTARIUM_VAULT_TOKEN_FILE needs PORTARIUM_VAULT_ADDR: where the vault is.');
  }
  if (tokenFile !== undefined)
    return { address, tokenFile, mount, prefix, namespace, authorityFile };
  throw new Error('PORTARIUM_VAULT_ADDR needs PORTARIUM_VAULT_TOKEN_FILE: a file with a token.');
}

/** What keeps artifacts, and how it is reached. */
export type EvidenceStore =
  | { readonly kind: 'directory'; readonly root: string }
  | {
      readonly kind: 'minio';
      readonly endpoint: string;
      readonly region: string;
      readonly bucketPrefix: string;
      readonly accessKeyFile: string;
      readonly secretKeyFile: string;
      readonly authorityFile: string | undefined;
    };

/** @throws Error that names what the store needs and what would be ignored */
export function evidenceStoreOf(configuration: StoreConfiguration): EvidenceStore {
  const {
    PORTARIUM_EVIDENCE_STORE: kind,
    PORTARIUM_EVIDENCE_DIR: root,
    PORTARIUM_EVIDENCE_ENDPOINT: endpoint,
    PORTARIUM_EVIDENCE_REGION: region,
    PORTARIUM_EVIDENCE_BUCKET: bucketPrefix,
    PORTARIUM_EVIDENCE_ACCESS_KEY_FILE: accessKeyFile,
    PORTARIUM_EVIDENCE_SECRET_KEY_FILE: secretKeyFile,
    PORTARIUM_EVIDENCE_CA_FILE: authorityFile,
  } = configuration;
  if (kind === 'directory') {
    if (root === undefined)
      throw new Error('PORTARIUM_EVIDENCE_DIR is missing: where artifacts go.');
    if (endpoint === undefined) return { kind, root };
    throw new Error('PORTARIUM_EVIDENCE_ENDPOINT needs PORTARIUM_EVIDENCE_STORE=minio.');
  }
  if (endpoint === undefined || accessKeyFile === undefined || secretKeyFile === undefined) {
    throw new Error(
      'PORTARIUM_EVIDENCE_STORE=minio needs PORTARIUM_EVIDENCE_ENDPOINT, PORTARIUM_EVIDENCE_ACCESS_KEY_FILE and PORTARIUM_EVIDENCE_SECRET_KEY_FILE.',
    );
  }
  return { kind, endpoint, region, bucketPrefix, accessKeyFile, secretKeyFile, authorityFile };
}

/** What opening the vault needs, for the role that does nothing else. */
export const VaultConfigurationSchema = v.pick(ConfigurationSchema, [
  'PORTARIUM_VAULT_DIR',
  'PORTARIUM_MASTER_KEY',
  'PORTARIUM_MASTER_KEY_FILE',
]);

/** What opening the evidence store needs, for the role that only probes it. */
export const StoreConfigurationSchema = v.pick(ConfigurationSchema, [
  'PORTARIUM_EVIDENCE_STORE',
  'PORTARIUM_EVIDENCE_DIR',
  'PORTARIUM_EVIDENCE_ENDPOINT',
  'PORTARIUM_EVIDENCE_REGION',
  'PORTARIUM_EVIDENCE_BUCKET',
  'PORTARIUM_EVIDENCE_ACCESS_KEY_FILE',
  'PORTARIUM_EVIDENCE_SECRET_KEY_FILE',
  'PORTARIUM_EVIDENCE_CA_FILE',
]);
export type StoreConfiguration = v.InferOutput<typeof StoreConfigurationSchema>;

export type Configuration = v.InferOutput<typeof ConfigurationSchema>;

/** Where callers on other machines come in. */
export interface PublicListener {
  readonly hostname: string;
  readonly port: number;
  /** Paths of PEM files; undefined behind a proxy. */
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
}

/** @throws Error when the address would speak plain HTTP and nobody said that a proxy is in front */
export function publicListenerOf(configuration: Configuration): PublicListener | undefined {
  const {
    PORTARIUM_LISTEN: listen,
    PORTARIUM_TLS_CERT_FILE: certFile,
    PORTARIUM_TLS_KEY_FILE: keyFile,
    PORTARIUM_BEHIND_PROXY: behindProxy,
  } = configuration;
  if (listen === undefined) return undefined;
  const at = listen.lastIndexOf(':');
  const where = {
    hostname: listen.slice(0, at).replaceAll(/[[\]]/g, ''),
    port: Number(listen.slice(at + 1)),
  };
  if (certFile !== undefined && keyFile !== undefined)
    return { ...where, tls: { certFile, keyFile } };
  if (behindProxy === 'yes' && certFile === undefined && keyFile === undefined) {
    return { ...where, tls: undefined };
  }
  throw new Error(
    `PORTARIUM_LISTEN=${listen} needs both PORTARIUM_TLS_CERT_FILE and PORTARIUM_TLS_KEY_FILE, or PORTARIUM_BEHIND_PROXY=yes with a proxy in front that speaks TLS: keys would travel in the clear.`,
  );
}

/** Seconds of the full rate that may come at once. */
const BURST_SECONDS = 10;

/** Rate limits of one key and of one workspace. */
export function ratesOf(configuration: Configuration) {
  const limit = (perSecond: number) => ({ perSecond, burst: perSecond * BURST_SECONDS });
  return {
    key: limit(configuration.PORTARIUM_RATE_PER_KEY),
    workspace: limit(configuration.PORTARIUM_RATE_PER_WORKSPACE),
  };
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** @throws Error that names each variable that is missing or wrong */
export function readConfiguration(environment: Environment): Configuration {
  return read(ConfigurationSchema, environment);
}

/** @throws Error that names each variable that is missing or wrong */
export function readVaultConfiguration(
  environment: Environment,
): v.InferOutput<typeof VaultConfigurationSchema> {
  return read(VaultConfigurationSchema, environment);
}

const DatabaseConfigurationSchema = v.object({
  PORTARIUM_DATABASE_URL: ConfigurationSchema.entries.PORTARIUM_DATABASE_URL,
  PORTARIUM_DATABASE_OWNER_URL: v.string('is missing; this step needs the owner of the database'),
});

/** What steps read that need the owner. @throws Error that names each variable that is missing or wrong */
export function readDatabaseConfiguration(
  environment: Environment,
): v.InferOutput<typeof DatabaseConfigurationSchema> {
  return read(DatabaseConfigurationSchema, environment);
}

/** @throws Error that names each variable that is missing or wrong */
export function readStoreConfiguration(environment: Environment): StoreConfiguration {
  return read(StoreConfigurationSchema, environment);
}

function read<S extends v.GenericSchema>(schema: S, environment: Environment): v.InferOutput<S> {
  const parsed = v.safeParse(schema, environment);
  if (parsed.success) return parsed.output;
  const problems = parsed.issues.map((issue) => `${v.getDotPath(issue)}: ${issue.message}`);
  throw new Error(`The configuration is not complete:\n  ${problems.join('\n  ')}`);
}
