/**
 * Builds the private network around itself, carries out every case of the corpus one after the other, and
 * writes one line for each: `{family, name, end, problems}`. To be started inside a namespace.
 */
import { connect } from 'node:net';
import { parseArgs } from 'node:util';
import { type AttackCase, readCorpus, readGrants } from '../corpus.ts';
import { brokerAttacker } from './broker-attacker.ts';
import { makeIdentity } from './identity.ts';
import { DnsStub } from './dns-stub.ts';
import { problemsOf } from './judge.ts';
import { Listeners, PLAIN_PORTS, TLS_PORT } from './listeners.ts';
import { enterNetwork, NAME_SERVER, ON_INTERFACE } from './namespace.ts';

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
    only: { type: 'string' },
  },
});
const folder = values.folder;
if (folder === undefined || values.broker === undefined) {
  throw new Error('run.ts --folder <scratch folder> --broker <command> [--only <part of a name>]');
}

enterNetwork(folder);
const identity = makeIdentity(folder);
const names = new DnsStub();
await names.listen(NAME_SERVER);
const listeners = new Listeners();
await listeners.open(identity);
await proveListeners();

const grants = readGrants();
const attacker = brokerAttacker(values.broker, grants, identity.authority);
const only = new RegExp(values.only ?? '');
for (const { cases } of readCorpus()) {
  for (const one of cases) {
    if (only.test(`${one.family}: ${one.name}`)) print(await carryOut(one));
  }
}
await attacker.stop();
listeners.close();
names.close();

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
