/** A plugin version that grew as an honest Control Plane would show it, for tests to change. */

import { type GrowthStatement, growthDigest, growthOf } from '@portarium/contracts/contract-growth';
import { type Digest, digestOfJson } from '@portarium/contracts/digest';
import * as v from 'valibot';
import { type PluginVersion, PluginVersionSchema } from '../answers.ts';
import { PortariumClient } from '../portarium-client.ts';
import { REFUNDS } from './sample-approval.ts';

const OPERATION = { name: 'createRefund', effect: 'write', encoding: 'json', input: {} } as const;
const SLOT = { slot: 'stripe', kind: 'bearer', host: 'api.stripe.com' } as const;

export interface Grown {
  readonly from: PluginVersion;
  readonly version: PluginVersion;
}

async function versionOf(version: string, egress: readonly object[], state: string) {
  const digit = version.replaceAll('.', '').padEnd(64, '0');
  const manifest = { operations: [OPERATION], egress, credentials: [SLOT], limits: {} };
  return {
    ...{ name: 'stripe-refunds', version, state, manifest },
    digest: `sha256:${digit}` as Digest,
  };
}

/** 1.0.0 runs; 1.1.0 wants every host below stripe.com. */
export async function sampleGrowth(change: Partial<GrowthStatement> = {}): Promise<Grown> {
  const from = await versionOf('1.0.0', [REFUNDS], 'active');
  const wide = { ...REFUNDS, host: '*.stripe.com' };
  const grown = await versionOf('1.1.0', [wide], 'pending-approval');
  const names = async ({ version, digest, manifest }: typeof from) => {
    return { version, digest, manifestDigest: await digestOfJson(manifest) };
  };
  const parse = (value: unknown) => v.parse(PluginVersionSchema, value);
  const statement = {
    ...{ v: 1, workspace: 'acme', plugin: 'stripe-refunds', ...(await names(grown)) },
    from: await names(from),
    growth: [...growthOf(parse(from).manifest, parse(grown).manifest)],
    ...change,
  } as GrowthStatement;
  const approval = {
    ...{ statement, digest: await growthDigest(statement), quorum: 1, roles: ['approver'] },
    ...{ excluded: ['ada'], decisions: [] },
  };
  const signature = {
    ...{ publisher: 'acme', fingerprint: `sha256:${'e'.repeat(64)}` },
    ...{ verifierKey: 'acme+…', note: 'portarium/plugin-signature/v1…' },
  };
  return { from: parse(from), version: parse({ ...grown, approval, signature }) };
}

/** A Control Plane that has these versions and takes any decision; what was decided is kept. */
export function servingGrowth(shown: readonly PluginVersion[]) {
  const decided: Record<string, unknown>[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (request) => {
      const [, version] = /versions\/([^/]+)/.exec(request.url) ?? [];
      const found = shown.find((one) => one.version === version);
      if (request.method !== 'POST') return Response.json(found);
      decided.push((await request.json()) as Record<string, unknown>);
      return Response.json({ ...found, state: 'active' });
    },
  });
  const url = server.url.href;
  const client = new PortariumClient({ url, key: 'ptk_x', workspace: 'acme' });
  return { url, client, decided, [Symbol.asyncDispose]: () => server.stop(true) };
}
