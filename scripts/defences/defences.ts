/**
 * The defences that must be missed when they are gone: each names its place in the source, what stands
 * there without it, and tests that have to fail then.
 */

export interface Defence {
  readonly name: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly source: string;
  /** What is left when the defence is taken out. */
  readonly without: string;
  readonly tests: string;
  /** Part of the names of the tests that watch it. */
  readonly watching: string;
}

export const DEFENCES: readonly Defence[] = [
  {
    name: 'fencing',
    file: 'control/src/application/hold-attempt.ts',
    source: 'if (action.fence !== ticket.fence) {',
    without: 'if (action.fence < 0) {',
    tests: 'control/src/http/writes.integration.test.ts',
    watching: 'a quarantined version and a lapsed fence',
  },
  {
    name: 'approval digest at the claim',
    file: 'control/src/application/claim-attempt.ts',
    source: 'if (digest !== approval.digest) return refuse(',
    without: "if (digest === ('' as never)) return refuse(",
    tests: 'control/src/http/approvals.integration.test.ts',
    watching: 'behind everybody’s back',
  },
  {
    name: 'approval digest at the decision',
    file: 'control/src/application/decide-approval.ts',
    source: 'if (wanted.digest !== approval.digest) {',
    without: "if (wanted.digest === ('' as never)) {",
    tests: 'control/src/http/approvals.integration.test.ts',
    watching: 'a decision about another digest',
  },
  {
    name: 'owner check',
    file: 'control/src/application/decide-approval.ts',
    source: 'if (approval.excluded.includes(caller.key.owner) || now.includes(caller.key.owner)) {',
    without: "if (approval.excluded.includes('') || now.includes('')) {",
    tests: 'control/src/http/approvals.integration.test.ts',
    watching: 'nobody decides what they asked for',
  },
  {
    name: 'host binding of credentials',
    file: 'control/src/application/grant-credential.ts',
    source: 'if (host !== credential.host) {',
    without: "if (host === '') {",
    tests: 'control/src/http/writes.integration.test.ts',
    watching: 'a credential goes to the exact host',
  },
  {
    name: 'the refusal to send a keyless write again',
    file: 'control/src/application/claim-attempt.ts',
    source: 'if (open && !maySendAgain(open, at)) {',
    without: 'if (open && at === "") {',
    tests: 'control/src/http/writes.integration.test.ts',
    watching: 'an unkeyed write whose answer nobody saw is never sent again',
  },
  {
    name: 'the wait before an open write is taken over',
    file: 'control/src/application/claim-attempt.ts',
    source: '(open ? afterLeaseMs(action) : 0)',
    without: '(open ? Math.min(0, afterLeaseMs(action)) : 0)',
    tests: 'control/src/http/writes.integration.test.ts',
    watching: 'an unkeyed write whose answer nobody saw is never sent again',
  },
  {
    name: 'the last look at the clock before the first byte',
    file: 'sandbox/src/egress/send.ts',
    source: 'if (now >= firstByteBy) {',
    without: 'if (now >= firstByteBy + 1e9) {',
    tests: 'sandbox/src/egress/safe-write.integration.test.ts',
    watching: 'leave that comes too late sends nothing',
  },
  {
    name: 'the kind of a slot',
    file: 'control/src/application/grant-credential.ts',
    source: 'if (asked?.kind !== credential.kind) {',
    without: 'if (asked === undefined) {',
    tests: 'control/src/http/credential-kinds.integration.test.ts',
    watching: 'a credential of another kind than the plugin asks for',
  },
  {
    name: 'the place that is a credential’s alone',
    file: 'sandbox/src/egress/credential.ts',
    source: 'return taken && `',
    without: 'return undefined && `',
    tests: 'sandbox/src/egress/credential-kinds.integration.test.ts',
    watching: 'a secret never stands beside',
  },
  {
    name: 'scrubbing of what Basic makes of a password',
    file: 'sandbox/src/egress/credential.ts',
    source: "if (kind === 'basic') return [secret, basicToken(credential)];",
    without: "if (kind === 'basic') return [secret];",
    tests: 'sandbox/src/egress/credential-kinds.integration.test.ts',
    watching: 'a secret of kind basic reaches',
  },
  {
    name: 'the redirect without the parameter',
    file: 'sandbox/src/egress/live-call.ts',
    source: 'location: guestLocation(location, this.#leave?.credential),',
    without: 'location,',
    tests: 'sandbox/src/egress/credential-kinds.integration.test.ts',
    watching: 'within the origin gets a secret of kind query',
  },
  {
    name: 'scrubbing',
    file: 'sandbox/src/egress/live-call.ts',
    source:
      'if (credential) this.#scrubber = new Scrubber(secretForms(credential), credential.slot);',
    without: 'if (credential) this.#scrubber = undefined;',
    tests: 'sandbox/src/egress/safe-write.integration.test.ts',
    watching: 'scrubbed from what comes back',
  },
];
