/**
 * Writes the pages of limits, errors, permissions, configuration, commands, egress and admission under `docs/reference/` from
 * code; with `--check` it writes nothing and fails when a page, or the list of dependencies, has drifted.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type AttemptLimits,
  DEFAULT_LIMITS,
  MAX_LIMITS,
  PLATFORM_LIMITS,
} from '@portarium/contracts/limits';
import { INSTANCE_ONLY, PERMISSIONS, ROLES } from '@portarium/control/domain/permissions';
import { admissionPage } from './reference/admission-page.ts';
import { cliPage } from './reference/cli-page.ts';
import { configurationPage } from './reference/configuration-page.ts';
import { egressPage } from './reference/egress-page.ts';
import { errorPages } from './reference/error-pages.ts';
import { hostilePage } from './reference/hostile-page.ts';
import { NOTICE } from './reference/notice.ts';

const root = join(import.meta.dirname, '..');

/** What each limit of an attempt bounds, and what follows when it is passed. */
const ATTEMPT_LIMIT_TEXT = {
  wallMs: ['time from start to answer', 'the cell is killed, `limit.deadline`'],
  cpuMs: ['processor time of the attempt', '`limit.cpu`'],
  memoryMiB: ['memory of the module', '`memory.grow` answers −1'],
  inputBytes: ['input', '413 `body.too-large` when the action is asked for'],
  outputBytes: ['output', '`limit.output`'],
  egressCalls: ['calls through the broker, redirects included', '`limit.egress`'],
  egressBytesOut: ['bytes sent in all calls', '`limit.egress`'],
  egressBytesIn: ['bytes of bodies received in all calls, packed and unpacked', '`limit.egress`'],
  logLines: ['lines of the log', 'the log is cut and says so; the attempt goes on'],
  logBytes: ['bytes of the log', 'the log is cut and says so; the attempt goes on'],
  hostCalls: ['calls of host functions', '`limit.hostcalls`'],
  allocations: ['blocks of host memory', '`limit.hostcalls`'],
} as const satisfies Record<keyof AttemptLimits, readonly [string, string]>;

/** What each limit of the platform bounds. */
const PLATFORM_LIMIT_TEXT = {
  moduleBytes: 'a module',
  manifestBytes: 'a manifest',
  bodyBytes: 'a JSON body, other than an action’s input and an upload',
  bundleBytes: 'a bundle that is exported at once',
  verifyBytes: 'a bundle that the Control Plane verifies',
  verifications: 'bundles that it verifies at once',
  bodyTimeoutMs: 'time from the first byte of a body to its last',
  requestsPerKey: 'requests that one key has in flight',
  requestsTotal: 'requests that all keys together have in flight',
  streamsPerKey: 'event streams that one key has open',
  streamsTotal: 'event streams that all keys together have open',
  eventReplay: 'sequence numbers that a resumed event stream may lie behind',
  usageDays: 'days that one report of usage covers',
  schemaBytes: 'a JSON Schema of an operation',
  schemaDepth: 'nesting of such a schema',
  schemaSteps: 'steps that checking a value against a schema may take',
  entryBytes: 'an evidence entry (C2SP tlog-tiles counts with 16 bits)',
  pageSize: 'rows on one page of a list',
  attempts: 'attempts of one action before it fails',
  leaseMs: 'time after the last heartbeat until an attempt counts as lost',
  heartbeatMs: 'time between two heartbeats of a sandbox host',
  waitSeconds: 'longest `Prefer: wait=N`',
  idempotencyHours: 'how long an `Idempotency-Key` is remembered',
  dispatchHours: 'from dispatch until an action that no host brings to an end is given up',
  stalledMs: 'without an attempt or a lease before an action’s workflow is started anew',
  redirectHops: 'redirects that a read follows',
  egressTimeoutMs: 'one call, from connecting to the last byte',
  idleConnectionMs: 'time that a connection waits for the next read',
  idleConnections: 'connections that wait in one sandbox host',
  idleConnectionsAlike: 'of them those that the same reads can use',
  takeoverSlackMs: 'time beyond lease and request timeout before an open write is taken over',
  inlineBodyBytes: 'a response body inside a report of a sandbox host; larger ones travel alone',
  secretCharacters: 'characters of a credential’s secret, at least',
  secretBytes: 'a credential’s secret, at most',
  evidenceStoreTimeoutMs: 'one exchange with an evidence store over S3, in milliseconds',
  vaultTimeoutMs: 'one exchange with an external vault, in milliseconds',
  vaultAnswerBytes: 'an answer of an external vault, at most',
  quorum: 'people that an approval may ask for, at most',
  rationaleCharacters: 'characters of a rationale',
  caCertificates: 'certificates that one rule of a grant may trust',
  caCertificateCharacters: 'characters of all certificates of a rule',
  labels: 'labels of an action',
  journalCharacters:
    'an action’s journal over all attempts: path and response headers of each call, and 2,048 characters beside',
  rolloutVersions: 'versions of a plugin that share its actions',
  rolloutWeight: 'weight of one of them',
  crashesToQuarantine:
    'crashes of a version within the window that quarantine it, unless the workspace says otherwise',
  crashWindowMs: 'that window, unless the workspace says otherwise',
  mostCrashesToQuarantine: 'crashes that a workspace may choose, at most',
  mostCrashWindowMs: 'window that a workspace may choose, at most',
  publisherKeys: 'keys of publishers that a workspace has trusted, revoked ones too',
  candidateMs: 'time that an upload waits for a sandbox host to try its module',
  candidates: 'modules of one workspace that are tried at once',
  uploads: 'uploads that one process of the Control Plane reads or waits for at once',
  callsPerReport: 'calls that one heartbeat or outcome may carry',
} as const satisfies Record<keyof typeof PLATFORM_LIMITS, string>;

const KiB = 1024;
const MiB = KiB * KiB;

/** A figure with the unit that its name says: `wallMs` 10000 is `10 s`. */
export function withUnit(name: string, value: number): string {
  if (name.endsWith('Ms')) return milliseconds(value);
  if (name.endsWith('MiB')) return `${value} MiB`;
  if (/bytes/i.test(name)) return bytes(value);
  if (name.endsWith('Seconds')) return `${value} s`;
  if (name.endsWith('Hours')) return `${value} h`;
  return value.toLocaleString('en-GB');
}

function milliseconds(value: number): string {
  if (value % 60_000 === 0) return `${value / 60_000} min`;
  return value % 1_000 === 0 ? `${value / 1_000} s` : `${value} ms`;
}

function bytes(value: number): string {
  if (value % MiB === 0) return `${value / MiB} MiB`;
  return value % KiB === 0 ? `${value / KiB} KiB` : `${value.toLocaleString('en-GB')} bytes`;
}

function limitsPage(): string {
  const names = Object.keys(ATTEMPT_LIMIT_TEXT) as (keyof AttemptLimits)[];
  const attempt = names.map((name) => {
    const [what, breach] = ATTEMPT_LIMIT_TEXT[name];
    const [usual, most] = [DEFAULT_LIMITS, MAX_LIMITS].map((table) => withUnit(name, table[name]));
    return `| \`${name}\` | ${what} | ${usual} | ${most} | ${breach} |`;
  });
  const platform = Object.entries(PLATFORM_LIMIT_TEXT).map(([name, what]) => {
    const value = PLATFORM_LIMITS[name as keyof typeof PLATFORM_LIMITS];
    return `| \`${name}\` | ${what} | ${withUnit(name, value)} |`;
  });
  return `# Limits

${NOTICE}

## Of one attempt

A plugin asks for other values in the \`limits\` of its manifest, each at most the maximum. A workspace allows
less (\`portarium limits --set wallMs=30000\`, \`PUT /v1/workspaces/{ws}/limits\`): the lower holds. Which limits an
action has is fixed when it is requested, and shown with it (\`limits\`).

| Limit | Bounds | Default | Maximum | Beyond it |
|---|---|---|---|---|
${attempt.join('\n')}

## Of the platform

| Limit | Bounds | Value |
|---|---|---|
${platform.join('\n')}
`;
}

function permissionsPage(): string {
  const columns = [...ROLES, 'sandbox-host'] as const;
  const rows = Object.entries(PERMISSIONS).map(([permission, roles]) => {
    const cells = columns.map((role) => ((roles as readonly string[]).includes(role) ? 'yes' : ''));
    const where = (INSTANCE_ONLY as ReadonlySet<string>).has(permission) ? 'instance' : 'workspace';
    return `| \`${permission}\` | ${where} | ${cells.join(' | ')} |`;
  });
  return `# Permissions

${NOTICE}

A key has one role. A key that is bound to a workspace has its role's permissions there and nowhere
else, and none of those that are about the instance. Keys of sandbox hosts are made by the instance,
never over the API.

| Permission | About | ${columns.join(' | ')} |
|---|---|${columns.map(() => '---').join('|')}|
${rows.join('\n')}
`;
}

/** Every generated page by its path from the root. */
export function referencePages(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/reference/limits.md', limitsPage()],
    ...errorPages(),
    ['docs/reference/configuration.md', configurationPage()],
    ['docs/reference/cli.md', cliPage()],
    ['docs/reference/permissions.md', permissionsPage()],
    ['docs/reference/egress.md', egressPage()],
    ['docs/reference/hostile-modules.md', hostilePage()],
    ['docs/reference/admission.md', admissionPage()],
  ]);
}

/** What `docs/dependencies.md` lacks or has too much; `listed` are the names in its first column. */
export function dependencyDrift(packageJson: string, markdown: string): readonly string[] {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(packageJson) as {
    dependencies?: Record<string, string>;
    devDependencies?: Record<string, string>;
  };
  const used = new Set([...Object.keys(dependencies), ...Object.keys(devDependencies)]);
  const listed = new Set(
    [...markdown.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1] ?? ''),
  );
  return [
    ...[...used].filter((name) => !listed.has(name)).map((name) => `${name} has no line there`),
    ...[...listed]
      .filter((name) => !used.has(name))
      .map((name) => `${name} is not in package.json`),
  ];
}

function read(path: string): string | undefined {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch {
    return undefined;
  }
}

/** @returns one line for each thing that has drifted */
function check(): readonly string[] {
  const stale = [...referencePages()]
    .filter(([path, text]) => read(path) !== text)
    .map(
      ([path]) => `${path} is not what the code says; run: bun run scripts/generate-reference.ts`,
    );
  const known = new Set(referencePages().keys());
  const orphans = readdirSync(join(root, 'docs/reference/errors'))
    .map((name) => `docs/reference/errors/${name}`)
    .filter((path) => !known.has(path))
    .map((path) => `${path} is about a code that is none; remove it`);
  const drift = dependencyDrift(read('package.json') ?? '{}', read('docs/dependencies.md') ?? '');
  return [...stale, ...orphans, ...drift.map((line) => `docs/dependencies.md: ${line}`)];
}

if (import.meta.main) {
  if (process.argv.includes('--check')) {
    const problems = check();
    for (const problem of problems) console.error(problem);
    process.exitCode = problems.length === 0 ? 0 : 1;
  } else {
    for (const [path, text] of referencePages()) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
  }
}
