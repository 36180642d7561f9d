/**
 * Every error code, what it means and what to do about it. Codes are stable; messages are not.
 * API errors travel as problem documents (RFC 9457); errors of an attempt are data of the action.
 */

export const API_ERRORS = {
  'request.malformed': [
    400,
    'The request is not what this route reads',
    'Correct what is named, and send it again.',
  ],
  'auth.missing': [401, 'No API key was sent', 'Send Authorization: Bearer ptk_….'],
  'auth.invalid': [
    401,
    'The API key is unknown, expired or revoked',
    'Ask an administrator for a key: portarium key create.',
  ],
  'auth.forbidden': [
    403,
    'This key may not do that',
    'Use a key whose role permits it (docs/reference/permissions.md).',
  ],
  'not-found': [404, 'There is no such thing here', 'Check the path, the id and the workspace.'],
  'method.not-allowed': [
    405,
    'This path does not have that method',
    'Use a method that Allow names.',
  ],
  'body.too-slow': [408, 'The body did not arrive in time', 'Send it faster, or send less.'],
  conflict: [409, 'The state does not allow that', 'Read the resource again and decide anew.'],
  'approval.closed': [
    409,
    'This approval has been decided, or its time is over',
    'Read it again; a new action or plugin version gets a new approval.',
  ],
  'approval.excluded': [
    403,
    'The person behind this key may not decide this approval',
    'Let somebody decide who neither asked for it nor made what would run.',
  ],
  'approval.stale': [
    409,
    'What would run is not what this decision is about',
    'Read the approval again, look at what it shows, and decide anew.',
  ],
  'credential.exists': [
    409,
    'A live credential with that name exists',
    'Rotate it, revoke it first, or choose another name.',
  ],
  'workspace.exists': [409, 'A workspace with that id exists', 'Choose another id.'],
  'plugin.version-exists': [
    409,
    'That version exists with other bytes',
    'Raise the version; versions are immutable.',
  ],
  'idempotency.in-progress': [
    409,
    'The first request with that key is still running',
    'Wait and send it again.',
  ],
  'attempt.superseded': [
    409,
    'A newer attempt holds this action',
    'Stop; the newer attempt goes on.',
  ],
  'attempt.busy': [
    409,
    'An attempt of this action still holds its lease',
    'Claim again after retryAfterMs.',
  ],
  'precondition.failed': [
    412,
    'The resource is not what If-Match names any more',
    'Read it again, look at what changed, and send its new ETag.',
  ],
  'body.too-large': [
    413,
    'The body is larger than this route takes',
    'Send at most the bytes that the detail names.',
  ],
  'media.unsupported': [
    415,
    'The body has a media type that this route does not read',
    'Send the media type that the detail names.',
  ],
  'input.invalid': [
    422,
    'A field is missing, unknown or of the wrong shape',
    'Correct each place that is named, and send it again.',
  ],
  'idempotency.mismatch': [
    422,
    'That Idempotency-Key was used for another body',
    'Use a new key for a new request.',
  ],
  'plugin.not-approved': [
    409,
    'This version of the plugin was not approved',
    'Name a version that runs, or none; portarium plugin approve NAME VERSION shows what is to be approved.',
  ],
  'plugin.quarantined': [
    409,
    'This version of the plugin is quarantined',
    'Name a version that runs, or none; portarium plugin versions NAME shows which are quarantined, and why.',
  ],
  'plugin.signature-required': [
    422,
    'This workspace takes plugins with a publisher’s signature only',
    'Have the plugin signed by a publisher whom portarium publisher list names: portarium plugin sign, then push --signature.',
  ],
  'plugin.signature-refused': [
    422,
    'The signature is not one of a trusted publisher over this plugin',
    'Follow the detail: sign exactly this module and plugin.json, or have an administrator trust the key: portarium publisher trust.',
  ],
  'plugin.not-admitted': [
    422,
    'The module was not admitted',
    'Follow the hints in admission.findings.',
  ],
  'tenancy.unavailable': [
    422,
    'That workspace has no schema or database yet',
    'Make it first, where the owner of the database logs in: portarium workspace create ID --tier B|C does both.',
  ],
  'rate.limited': [429, 'Too many requests', 'Wait for Retry-After seconds.'],
  internal: [500, 'A defect on our side', 'Report the trace id; sending it again may help.'],
  'plugin.not-tried': [
    503,
    'No sandbox host tried the module in time',
    'Start a sandbox host, or wait until one is free, and upload it again: portarium doctor looks for one.',
  ],
  'store.not-regulated': [
    409,
    'The evidence store does not hold all that regulated retention needs',
    'See each check that failed: portarium doctor. Then correct the store, or use one with Object Lock (docs/how-to/keep-artifacts-in-s3.md), and probe it again: portarium doctor.',
  ],
  'evidence.rolled-back': [
    503,
    'The evidence log of this workspace contradicts what was signed, and takes no entry',
    'An administrator has to look: portarium evidence recover --dry-run.',
  ],
  unavailable: [503, 'A part that this needs is away', 'Send it again after Retry-After seconds.'],
} as const satisfies Record<string, readonly [number, string, string]>;

export type ApiErrorCode = keyof typeof API_ERRORS;

/** A limit of an attempt is the lower of two. */
const IN_BOTH =
  ' in plugin.json, and where the workspace allows less (portarium limits), there too';

export const ATTEMPT_ERRORS = {
  'guest.trap': [
    'The module trapped',
    'Fix the plugin; the message names the trap. One that says only “unreachable” may be memory that could not grow: then raise limits.memoryMiB.',
  ],
  'guest.error': ['The plugin reported an error', 'Read the message; it is the plugin’s own.'],
  'limit.deadline': [
    'The attempt ran past its wall deadline and was killed',
    `Do less, or raise limits.wallMs${IN_BOTH}.`,
  ],
  'limit.cpu': [
    'The attempt used more CPU than allowed',
    `Do less, or raise limits.cpuMs${IN_BOTH}.`,
  ],
  'limit.output': [
    'The output is larger than allowed',
    `Return less, or raise limits.outputBytes${IN_BOTH}.`,
  ],
  'limit.egress': [
    'The egress budget is used up',
    'Call less, or have the budget raised that the message names: the plugin’s in plugin.json, the operator’s with portarium plugin grant, the attempt’s with limits.',
  ],
  'limit.rate': [
    'The workspace makes as many calls a minute as a rule allows, and there was no time to wait',
    'Ask again when there is room; call less often, raise limits.wallMs so that the call can wait, or have the rule’s maxPerMinute raised.',
  ],
  'limit.hostcalls': [
    'Too many host calls or allocations',
    `Call the host less often, or raise limits.hostCalls or limits.allocations${IN_BOTH}.`,
  ],
  'limit.memory': [
    'The cell ran out of memory',
    `Use less memory, or raise limits.memoryMiB${IN_BOTH}.`,
  ],
  'egress.denied': [
    'A call outside the grant was refused',
    'The manifest has to ask for the call, and an operator to grant it: portarium plugin egress NAME shows both, portarium plugin grant NAME grants.',
  ],
  'output.invalid': [
    'The output does not match the operation’s schema',
    'Return what the manifest promises.',
  ],
  'input.invalid': [
    'The input does not match the operation’s schema',
    'Send what the manifest asks for.',
  ],
  'module.invalid': [
    'The engine refused the module',
    'Build it again; the message names the defect.',
  ],
  'order.altered': [
    'What is stored of the action is not what was requested',
    'Look who changed the database; ask for the action anew.',
  ],
  'plugin.quarantined': [
    'The plugin version was quarantined before the action was done',
    'See why: portarium plugin versions NAME. Ask for the action again with a version that runs.',
  ],
  'attempts.exhausted': ['Every attempt was lost', 'Look at the sandbox hosts; then ask again.'],
  'dispatch.failed': [
    'No attempt could be made',
    'Look at Temporal and the sandbox hosts; then ask again.',
  ],
  'host.lost': ['The sandbox host or its cell was lost', 'None: another attempt follows.'],
  'host.resource': ['The sandbox host ran short of a resource', 'None: another attempt follows.'],
  'journal.diverged': [
    'The attempt did not repeat what the journal holds',
    'Make the plugin deterministic.',
  ],
  'answer.lost': [
    'A write with an idempotency key was sent and its answer was not seen',
    'None: another attempt sends it again with the same key.',
  ],
  'action.cancelled': [
    'Somebody cancelled the action',
    'None: ask for it again when it is wanted.',
  ],
  'approval.void': [
    'What would run is no longer what was approved',
    'Ask for the action again, and have it approved as it is now.',
  ],
  'credential.unavailable': [
    'The credential of the matched rule is missing, revoked, or bound to another host',
    'See what there is: portarium credential list. Create one that is missing or revoked; for another host, revoke it and create it again with --host. Then ask for the action again.',
  ],
  'dry-run.unanswered': [
    'No example of the operation answers a write of the dry run, which ends there',
    'See what would be sent: portarium action journal ID. For the dry run to go on, the plugin’s author adds the answer to an example of the operation in plugin.json.',
  ],
  'outcome.unknown': [
    'A write was sent and its answer was not seen',
    'See in the system whether it happened, then say so: portarium action resolve ID.',
  ],
} as const satisfies Record<string, readonly [string, string]>;

export type AttemptErrorCode = keyof typeof ATTEMPT_ERRORS;

/** Errors after which another attempt follows; every other ends the action. */
export const RETRYABLE_ATTEMPT_ERRORS: ReadonlySet<AttemptErrorCode> = new Set([
  'host.lost',
  'host.resource',
  'answer.lost',
]);

/**
 * Errors by which the guest itself broke down, each without waiting for anybody: counted, they quarantine a
 * version. A cell that breaks the protocol with its host ends as a trap.
 */
export const CRASH_ERRORS: ReadonlySet<AttemptErrorCode> = new Set([
  'guest.trap',
  'limit.cpu',
  'limit.memory',
]);

/** A problem document (RFC 9457) as this API sends it. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ApiErrorCode;
  readonly detail: string;
  readonly hint: string;
  /** W3C trace id of the request. */
  readonly trace: string;
  /** What is wrong where; `pointer` is a JSON Pointer into the body, or names a header or parameter. */
  readonly errors?: readonly { readonly pointer: string; readonly message: string }[];
  readonly [extension: string]: unknown;
}
