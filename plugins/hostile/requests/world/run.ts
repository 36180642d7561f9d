/**
 * Builds the private network around itself, carries out every case of the corpus one after the other, and
 * writes one line for each: `{family, name, end, problems}`. To be started inside a namespace.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { type AttackCase, readCorpus, readGrants } from '../corpus.ts';
import { brokerAttacker } from './broker-attacker.ts';
import { DnsStub } from './dns-stub.ts';
import { makeIdentity } from './identity.ts';
import { problemsOf } from './judge.ts';
import { Listeners, PLAIN_PORTS, TLS_PORT } from './listeners.ts';
import { enterNetwork, NAME_SERVER, ON_INTERFACE } from './namespace.ts';
import { startStackAttacker } from './stack-attacker.ts';

export interface CaseResult {
  readonly family: string;
  readonly name: string;
  /** `allowed`, `failed`, or the layer that denied the last call, with the reason on record. */
  readonly end: string;
  readonly reason: string;
  readonly problems: readonly string[];
}

const { values } = parseArgs({
  options: {
    folder: { type: 'string' },
    broker: { type: 'string', multiple: true },
    stack: { type: 'boolean', default: false },
    only: { type: 'string' },
    /** This many cases, picked by the seed, instead of all; those that have to pass come in any case. */
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
});
const folder = values.folder;
if (folder === undefined || (values.broker === undefined) !== values.stack) {
  throw new Error(
    'run.ts --folder <scratch folder> (--broker <command> | --stack) [--only <expression>] [--sample <n> --seed <n>]',
  );
}

enterNetwork(folder);
const identity = makeIdentity(folder);
const names = new DnsStub();
await names.listen(NAME_SERVER);
const listeners = new Listeners();
await listeners.open(identity);
await proveListeners();

const grants = readGrants();
const authority = readFileSync(join(folder, 'ca.pem'), 'utf8');
const stack = values.stack ? await startStackAttacker(folder, grants, authority) : undefined;
const attacker = stack ?? brokerAttacker(values.broker ?? [], grants, authority);
for (const one of chosen()) print(await carryOut(one));
if (stack) {
  // Of a growing log, so after the last action; whoever started this verifies it.
  const { bundle, pin } = await stack.evidence();
  writeFileSync(join(folder, 'bundle.tar'), bundle);
  writeFileSync(join(folder, 'pin'), pin);
}
await attacker.stop();
listeners.close();
names.close();

function chosen(): readonly AttackCase[] {
  const only = new RegExp(values.only ?? '');
  const all = readCorpus()
    .flatMap(({ cases }) => cases)
    .filter(({ family, name }) => only.test(`${family}: ${name}`));
  if (values.sample === undefined) return all;
  const picked = fc.sample(fc.shuffledSubarray(all, { minLength: Number(values.sample) }), {
    seed: Number(values.seed),
    numRuns: 1,
  });
  const some = new Set(picked[0]?.slice(0, Number(values.sample)));
  return all.filter((one) => some.has(one) || one.family === 'control');
}

async function carryOut(one: AttackCase): Promise<CaseResult> {
  names.script(one.names);
  listeners.script(one.serve);
  const outcome = await attacker.attack(one);
  const last = outcome.records.at(-1);
  const problems = problemsOf(one, outcome, listeners.connections, grants.plugin);
  const { family, name } = one;
  const end = last?.layer ?? last?.verdict ?? 'nothing on record';
  return { family, name, end, reason: last?.reason ?? '', problems };
}

/** A case that nothing could reach would prove nothing: every kind of listener answers a plain connection. */
async function proveListeners(): Promise<void> {
  const addresses = [...ON_INTERFACE.ipv4, ...ON_INTERFACE.ipv6, '127.0.0.1', '::1', '240.0.0.1'];
  for (const address of addresses) {
    for (const port of [...PLAIN_PORTS, TLS_PORT]) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const socket = connect({ host: address, port }, resolve);
      socket.once('error', reject);
      await promise;
      socket.destroy();
    }
  }
  const expected = addresses.length * (PLAIN_PORTS.length + 1);
  if (listeners.connections.length < expected) {
    throw new Error(
      `${listeners.connections.length} of ${expected} listeners have seen a connection`,
    );
  }
}

function print(result: CaseResult): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
