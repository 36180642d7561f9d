/**
 * The defences that must be missed when they are gone: each names its place in the source, what stands
 * there without it, and tests that have to fail then.
 */

import { namespaceProblem } from '../../plugins/hostile/requests/world/namespace.ts';

export interface Defence {
  readonly name: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly source: string;
  /** What is left when the defence is taken out. */
  readonly without: string;
  /** A second place that has to go with it: each would make up for the other. */
  readonly also?: Pick<Defence, 'file' | 'source' | 'without'>;
  readonly tests: string;
  /** Part of the names of the tests that watch it. */
  readonly watching: string;
  /** Variables that its tests are run with. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Why its tests can not run on this machine, if so. */
  readonly needs?: () => string | undefined;
}

const REQUESTS = 'plugins/hostile/requests/requests.integration.test.ts';

/** Cells are confined on Linux only. */
function linuxProblem(): string | undefined {
  return process.platform === 'linux' ? undefined : `this is ${process.platform}`;
}

/** Missed when a family of hostile requests no longer ends as the corpus says. */
function missedBy(family: string): Pick<Defence, 'tests' | 'watching' | 'needs'> {
  const watching = `every request of the family ${family} ends as the corpus says, on Bun`;
  return { tests: REQUESTS, watching, needs: namespaceProblem };
}

/** Missed when a family of hostile modules no longer gets its verdicts. */
function missedByModules(family: string): Pick<Defence, 'tests' | 'watching'> {
  const watching = `every module of the family ${family} gets its verdict, in cells of Bun and of Deno`;
  return { tests: 'plugins/hostile/modules/modules.integration.test.ts', watching };
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
  {
    name: 'turns of workspaces',
    file: 'sandbox/src/host/fair-places.ts',
    source:
      'if (best && (held > best.held || (held === best.held && since > best.since))) continue;',
    without: 'if (best) continue;',
    tests: 'sandbox/src/host/fair-places.test.ts',
    watching: 'the first attempt of an idle workspace',
  },
  {
    name: 'cells of one workspace',
    file: 'sandbox/src/host/cell-pool.ts',
    source: '#takeIdle(name);',
    without: '#takeIdle(this.#idle[0]?.key ?? name);',
    tests: 'sandbox/src/host/cells.integration.test.ts',
    watching: 'a cell is never shared by two workspaces or two modules',
  },
  {
    name: 'what a process used that ended by itself',
    file: 'sandbox/src/host/cell-process.ts',
    source: 'this.#count(spent);',
    without: '',
    tests: 'sandbox/src/host/usage.integration.test.ts',
    watching: 'also when nobody looked in between',
  },
  {
    name: 'limits of the workspace',
    file: 'contracts/src/limits.ts',
    source: 'Math.min(wanted, workspace[name] ?? wanted, MAX_LIMITS[name])',
    without: 'Math.min(wanted, MAX_LIMITS[name])',
    tests: 'contracts/src/limits.test.ts',
    watching: 'the lower of plugin, workspace and platform',
  },
  {
    name: 'the attempt’s own limit of memory',
    file: 'sandbox/src/cell/bound-module.ts',
    source: 'Math.min(reader.u32(), most)',
    without: 'reader.u32()',
    tests: 'sandbox/src/host/limits.integration.test.ts',
    watching: 'what it cost is known, on bun',
  },
  {
    name: 'the demand for a publisher’s signature',
    file: 'control/src/application/check-signature.ts',
    source: "if (signature === 'optional') return",
    without: 'if (signature) return',
    tests: 'control/src/http/publishers.integration.test.ts',
    watching: 'a workspace that asks for signatures takes nothing else',
  },
  {
    name: 'the trust list of publishers',
    file: 'control/src/application/check-signature.ts',
    source: 'if (publisher?.revokedAt !== null) return revoked(checked.key.name);',
    without: 'if (!publisher) return revoked(checked.key.name);',
    also: {
      file: 'control/src/application/check-signature.ts',
      source: 'if (publisher?.revokedAt !== null) return revoked(signature.publisher);',
      without: 'if (!publisher) return revoked(signature.publisher);',
    },
    tests: 'control/src/http/publishers.integration.test.ts',
    watching: 'a revoked key signs nothing any more',
  },
  {
    name: 'what a publisher’s signature is about',
    file: 'contracts/src/plugin-signature.ts',
    source: '  if (at >= 0 || expected.length !== signed.length) {',
    without: '  if (at >= 0 && expected.length === 0) {',
    tests: 'contracts/src/plugin-signature.test.ts',
    watching: 'a signature fits one name, version, module',
  },
  {
    name: 'quarantine before a write',
    file: 'control/src/application/intend-call.ts',
    source: 'if (!(await tx.isPluginActive(action.plugin, action.version))) {',
    without: "if (action.plugin === '') {",
    tests: 'control/src/http/quarantine.integration.test.ts',
    watching: 'a version that is quarantined by hand runs no more',
  },
  {
    name: 'quarantine at the claim',
    file: 'control/src/application/claim-attempt.ts',
    source: "if (plugin?.state !== 'active') {",
    without: 'if (!plugin) {',
    tests: 'control/src/http/quarantine.integration.test.ts',
    watching: 'a version that is quarantined by hand runs no more',
  },
  {
    name: 'the share of one person in a quarantine',
    file: 'control/src/domain/plugin-rules.ts',
    source: 'return suffer.length >= 2 && counted >= least &&',
    without: 'return counted >= 2 &&',
    also: {
      file: 'control/src/application/count-crash.ts',
      source: 'if (sole && (await tx.othersUse(name, first.person))) return false;',
      without: '',
    },
    tests: 'control/src/http/quarantine.integration.test.ts',
    watching: 'one person’s inputs stop no version that others use',
  },
  {
    name: 'addresses of WASI within the memory',
    file: 'sandbox/src/cell/wasi-memory.ts',
    source: 'if (at + length > buffer.byteLength) {',
    without:
      'if (at + length > buffer.byteLength) return new Uint8Array(length);\n    if (at < 0) {',
    tests: 'sandbox/src/cell/wasi.test.ts',
    watching: 'an address outside of the memory is a fault',
  },
  {
    name: 'bytes that one write of WASI takes',
    file: 'sandbox/src/cell/wasi.ts',
    source: 'parts.push(part.subarray(0, MAX_WRITE_BYTES - total));',
    without: 'parts.push(part);',
    tests: 'sandbox/src/cell/wasi.test.ts',
    watching: 'one write takes a mebibyte at most',
  },
  {
    name: 'exports that are the sandbox’s own',
    file: 'sandbox/admission/src/module-rules.ts',
    source: '.filter(({ name }) => name.startsWith(RESERVED_PREFIX))',
    without: ".filter(({ name }) => name === '')",
    tests: 'sandbox/admission/src/admit.test.ts',
    watching: 'exports that begin like the sandbox’s own are refused',
  },
  {
    name: 'exact types of WASI',
    file: 'sandbox/admission/src/module-rules.ts',
    source: 'if (hasType(module, type, served)) continue;',
    without: 'if (hasType(module, type, served) || from === WASI_MODULE) continue;',
    tests: 'sandbox/admission/src/admit.test.ts',
    watching: 'functions of WASI preview 1 are admitted with exactly their types',
  },
  {
    name: 'the maximum that is written into tables',
    file: 'sandbox/admission/src/rewrite.ts',
    source: 'return Math.min(limits.maximum ?? most, most);',
    without: 'return limits.maximum ?? 2 * most;',
    ...missedByModules('table'),
  },
  {
    name: 'the clock of the action',
    file: 'sandbox/src/cell/action-clock.ts',
    source: 'return this.#micros++;',
    without: 'return BigInt(Date.now()) * MICROS_PER_MS;',
    ...missedByModules('probe'),
  },
  {
    name: 'the cleaning of log lines',
    file: 'sandbox/src/cell/log-budget.ts',
    source: 'const message = plainText(text, MAX_LOG_CHARACTERS);',
    without: 'const message = plainText(text) === text ? text : text.slice(0, MAX_LOG_CHARACTERS);',
    ...missedByModules('text'),
  },
  {
    name: 'the features of WebAssembly that are refused',
    file: 'sandbox/admission/src/check-code.ts',
    source: 'if (!features.has(error.feature)) features.set(error.feature, error);',
    without: '',
    tests: 'sandbox/admission/src/check-code.test.ts',
    watching: 'each feature that is refused is named',
  },
  {
    name: 'the depth of blocks',
    file: 'sandbox/admission/src/check-code.ts',
    source: 'if (++depth > MODULE_BOUNDS.nesting) {',
    without: 'if (++depth > 1_000_000) {',
    tests: 'sandbox/admission/src/check-code.test.ts',
    watching: 'blocks stand at most 5,000 deep',
  },
  {
    name: 'segments within memory and table',
    file: 'sandbox/admission/src/module-rules.ts',
    source: 'offset + length <= size',
    without: 'offset + length <= 2 ** 33',
    tests: 'sandbox/admission/src/check-code.test.ts',
    watching: 'segments lie within',
  },
  {
    name: 'the verdict of the host that holds an upload',
    file: 'control/src/application/try-module.ts',
    source: 'if (candidate.takenBy?.host !== caller.key.id) {',
    without: "if (candidate.takenBy?.host === '') {",
    tests: 'control/src/http/candidates.integration.test.ts',
    watching: 'only after a host said so',
  },
  {
    name: 'the finding of a host',
    file: 'control/src/application/upload-plugin.ts',
    source: 'if (tried.value.finding) {',
    without: "if (tried.value.finding?.message === '') {",
    tests: 'control/src/http/candidates.integration.test.ts',
    watching: 'code that an engine refuses is a finding from a cell',
  },
  {
    name: 'the filter of system calls',
    file: 'sandbox/src/isolation/confine.ts',
    source: '  installFilter(kernel);\n',
    without: '',
    tests: 'sandbox/src/isolation/attacks.integration.test.ts',
    watching: 'gains nothing at the level seccomp, on bun',
    needs: linuxProblem,
  },
  {
    name: 'the cell’s look at its descriptors',
    file: 'sandbox/src/isolation/confine.ts',
    source: 'if (unexpected.length > 0) {',
    without: 'if (unexpected.length > 1_000) {',
    tests: 'sandbox/src/isolation/attacks.integration.test.ts',
    watching: 'inherits a descriptor does not start at the level seccomp, on bun',
    needs: linuxProblem,
  },
  {
    name: 'the host’s look at the filter of a cell',
    file: 'sandbox/src/isolation/confirm-cell.ts',
    source: 'filterProblem(inner) ??',
    without: '(filterProblem(inner) && undefined) ??',
    tests: 'sandbox/src/isolation/isolation.integration.test.ts',
    watching: 'without the filter is refused, whatever it says',
    needs: linuxProblem,
  },
  {
    name: 'the host’s look at the environment of a cell',
    file: 'sandbox/src/isolation/confirm-cell.ts',
    source: 'environmentProblem(inner, environment) ??',
    without: '(environmentProblem(inner, environment) && undefined) ??',
    tests: 'sandbox/src/isolation/isolation.integration.test.ts',
    watching: 'that has a variable of its host is refused',
    needs: linuxProblem,
  },
  {
    name: 'the refusal to start with less isolation than is required',
    file: 'sandbox/src/isolation/levels.ts',
    source: 'if (!isWeaker(level, required)) return undefined;',
    without: 'if (level !== required || !isWeaker(level, required)) return undefined;',
    tests: 'sandbox/src/isolation/levels.test.ts',
    watching: 'a weaker level is told',
  },
];
