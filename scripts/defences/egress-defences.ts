/** What keeps requests of guests within their grants. */
import { namespaceProblem } from '../../plugins/hostile/requests/world/namespace.ts';
import type { Defence } from './defence.ts';

const REQUESTS = 'plugins/hostile/requests/requests.integration.test.ts';

/** Missed when a family of hostile requests no longer ends as the corpus says. */
function missedBy(family: string): Pick<Defence, 'tests' | 'watching' | 'needs'> {
  const watching = `every request of the family ${family} ends as the corpus says, on Bun`;
  return { tests: REQUESTS, watching, needs: namespaceProblem };
}

export const EGRESS_DEFENCES: readonly Defence[] = [
  {
    name: 'the grants of the plugin',
    file: 'contracts/src/egress-rule.ts',
    source: 'const asked = contract.plugin.filter(matches);',
    without: 'const asked = contract.plugin;',
    ...missedBy('host'),
  },
  {
    name: 'the grants of the operator',
    file: 'contracts/src/egress-rule.ts',
    source: 'const granted = contract.operator.filter(matches);',
    without: 'const granted = contract.operator;',
    ...missedBy('host'),
  },
  {
    name: 'the grants of an approval',
    file: 'contracts/src/egress-rule.ts',
    source: 'if (contract.approval.length === 0) return',
    without: 'if (contract.approval.length >= 0) return',
    ...missedBy('path'),
  },
  {
    name: 'the check of the address that a host is',
    file: 'sandbox/src/egress/checked-address.ts',
    source: 'if (!decision.ok) return { ok: false, denied: true, reason: decision.reason };',
    without: "if (!decision.ok && host === '') return { ok: false, denied: true, reason: '' };",
    ...missedBy('literal'),
  },
  {
    name: 'the check of every address that a name has',
    file: 'sandbox/src/egress/checked-address.ts',
    source: 'for (const address of addresses) {',
    without: 'for (const address of addresses.slice(0, 1)) {',
    ...missedBy('resolved'),
  },
  {
    name: 'the refusal of the host’s own addresses',
    file: 'sandbox/src/egress/address.ts',
    source: 'own.has(address)',
    without: 'false',
    ...missedBy('resolved'),
  },
  {
    name: 'pinning to the address that was checked',
    file: 'sandbox/src/egress/connect.ts',
    source: 'return connectPlain({ host: address, port: target.port, noDelay: true });',
    without:
      'return connectPlain({ host: (target as unknown as { host: string }).host, port: target.port });',
    ...missedBy('resolved'),
  },
  {
    name: 'pinning to the address that was checked, over TLS',
    file: 'sandbox/src/egress/connect.ts',
    source: 'host: address,\n    port: target.port,\n    ...(isIP',
    without: 'host: name,\n    port: target.port,\n    ...(isIP',
    ...missedBy('tls'),
  },
  {
    name: 'the check of certificates',
    file: 'sandbox/src/egress/connect.ts',
    source: '...(authorities ? { ca: authorities } : {}),',
    without: '...(authorities ? { ca: authorities } : {}), rejectUnauthorized: false,',
    ...missedBy('tls'),
  },
  {
    name: 'the decision of its own for each redirect',
    file: 'sandbox/src/egress/judge-request.ts',
    source: 'const decision = decideEgress(order.contract, order.effect, request.target);',
    without: `const first = { plugin: order.contract.plugin[0], operator: order.contract.operator[0] };
      const decision = before
        ? ({ allowed: true, rules: first } as never as ReturnType<typeof decideEgress>)
        : decideEgress(order.contract, order.effect, request.target);`,
    ...missedBy('redirect'),
  },
  {
    name: 'the refusal of a redirect from https to http',
    file: 'sandbox/src/egress/judge-request.ts',
    source: "if (before?.target.scheme === 'https' && request.target.scheme !== 'https') {",
    without: "if (before?.target.scheme === 'nothing') {",
    ...missedBy('redirect'),
  },
  {
    name: 'decoding of paths before they are matched',
    file: 'contracts/src/egress-rule.ts',
    source: "} else if (decodePath(segment ?? '') !== decodePath(actual)) {",
    without: '} else if (segment !== actual) {',
    also: {
      file: 'contracts/src/egress-rule.ts',
      source: 'return /[\\w.~-]/.test(char) ? char : escaped.toUpperCase();',
      without: "return char === '' ? char : escaped;",
    },
    ...missedBy('path'),
  },
  {
    name: 'the refusal of encoded slashes',
    file: 'contracts/src/egress-rule.ts',
    source: 'if (/%(2f|5c|00|25)/i.test(text))',
    without: 'if (/%(5c|00|25)/i.test(text))',
    ...missedBy('path'),
  },
  {
    name: 'the refusal of user names in a URL',
    file: 'contracts/src/outbound-request.ts',
    source: "if (authority.includes('@'))",
    without: "if (authority.includes('@@@'))",
    ...missedBy('spelling'),
  },
  {
    name: 'the refusal of a credential without TLS',
    file: 'sandbox/src/egress/credential.ts',
    source: 'if (!isConfidential(request)) {',
    without: 'if (request.body === undefined) {',
    ...missedBy('credential'),
  },
  {
    name: 'the binding of a credential to its host, for requests of a guest',
    file: 'control/src/application/grant-credential.ts',
    source: 'if (host !== credential.host) {',
    without: "if (host === '') {",
    tests: 'plugins/hostile/requests/requests.e2e.test.ts',
    watching: 'hostile requests of a guest end as the corpus says in the whole product',
    environment: { PORTARIUM_REQUESTS: '^credential: a credential' },
    needs: namespaceProblem,
  },
  {
    name: 'the refusal of line breaks in headers',
    file: 'contracts/src/outbound-request.ts',
    source: 'if (!/^[\\t\\x20-\\x7e\\x80-\\xff]*$/.test(value))',
    without: 'if (value === undefined)',
    ...missedBy('header'),
  },
  {
    name: 'the limit of unpacked bytes',
    file: 'sandbox/src/egress/send.ts',
    source: 'if (this.#kept > maxResponseBytes) {',
    without: 'if (this.#kept < 0) {',
    tests: 'sandbox/src/egress/decode-body.integration.test.ts',
    watching: 'a gzip bomb of 1 MiB',
  },
  {
    name: 'the withholding of writes by the broker',
    file: 'sandbox/src/egress/egress-session.ts',
    source: '? await withholdWrite(task, around, dryRun)',
    without: '? await new LiveCall(task, around).perform()',
    tests: 'sandbox/src/egress/dry-run.integration.test.ts',
    watching: 'a write of a dry run opens no connection',
  },
  {
    name: 'the refusal of leave for a write of a dry run',
    file: 'control/src/application/intend-call.ts',
    source: 'if (write && action.dryRun) {',
    without: "if (write && action.dryRun && rule === '') {",
    tests: 'control/src/http/dry-run.integration.test.ts',
    watching: 'leave for a write of a dry run is never given',
  },
  {
    name: 'the digest that an agreement is about',
    file: 'control/src/domain/approval-rules.ts',
    source: "one.decision === 'approve' && one.digest === digest",
    without: "one.decision === 'approve'",
    tests: 'control/src/http/narrowing.integration.test.ts',
    watching: 'what people agreed to before does not count for less',
  },
];
