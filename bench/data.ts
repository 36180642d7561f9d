/**
 * Tenancy: what it costs to bind a transaction to a workspace in each tier, beside the plain query; to make workspaces; and
 * to bring an Expand to all of them beside writers. 200 workspaces in tier B and 10 in tier C, 1,000 and 50 with
 * PORTARIUM_TEST_FULL=1. Nothing is random.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServices } from '@portarium/local/start-services';
import { startChild } from './child-lines.ts';
import { type Case, type Measured, type Ratio, summarise } from './measure.ts';

const FULL = process.env.PORTARIUM_TEST_FULL === '1';
const WORKSPACES = FULL ? { tierB: 1_000, tierC: 50 } : { tierB: 200, tierC: 10 };
const TARGETS_AIM = 300;

interface Durations {
  readonly durations: readonly number[];
  readonly elapsedMs: number;
}

const WAYS = {
  plain: 'plain query, no binding',
  transaction: 'plain query in a transaction',
  tierA: 'tier A',
  tierB: 'tier B, one workspace',
  tierBInTurn: 'tier B, all in turn',
  tierC: 'tier C, one workspace',
  tierCInTurn: 'tier C, all in turn',
} as const;

export async function benchData(tell: (text: string) => void): Promise<Measured> {
  tell('starting PostgreSQL');
  const dataDir = await mkdtemp(join(tmpdir(), 'portarium-bench-data-'));
  const services = await startServices({ dataDir, parts: ['postgres'] });
  const loop = startChild('control/src/testing/data-loop.ts');
  const next = async <T>(step: string): Promise<T> => {
    tell(step);
    return JSON.parse(await loop.line()) as T;
  };
  try {
    const { ownerUrl, url: runtimeUrl } = services.postgres;
    loop.tell(JSON.stringify({ ownerUrl, runtimeUrl, ...WORKSPACES }));
    const made = await next<{ b: Durations; c: Durations }>('making workspaces');
    const { ways } = await next<{ ways: Record<keyof typeof WAYS, Durations> }>('binding');
    const load = await next<{
      waits: Record<'before' | 'during' | 'after', number[]>;
      failed: number;
      ms: number;
      targets: number;
    }>('an Expand beside writers');
    const { runs } = await next<{ runs: { ms: number; targets: number }[] }>('Expands alone');
    const of = (name: string, { durations, elapsedMs }: Durations) =>
      summarise(name, durations, elapsedMs);
    const bound = Object.entries(WAYS).map(([way, name]) =>
      of(name, ways[way as keyof typeof WAYS]),
    );
    const waits = (['before', 'during', 'after'] as const).map((phase) =>
      of(`writer, ${phase} the Expand`, { durations: load.waits[phase], elapsedMs: Number.NaN }),
    );
    return {
      cases: [
        of(`make a workspace of tier B (${WORKSPACES.tierB})`, made.b),
        of(`make a workspace of tier C (${WORKSPACES.tierC})`, made.c),
        ...bound,
        ...waits,
        ...runs.map(({ ms, targets }) => ({
          ...summarise('Expand, a target', [ms / targets], ms),
          ...{ n: targets, perSecond: (targets / ms) * 1_000 },
        })),
      ],
      ratios: ratiosOf(bound, load, runs),
    };
  } finally {
    loop.stop();
    await services.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

function ratiosOf(
  bound: readonly Case[],
  load: { readonly failed: number; readonly ms: number; readonly targets: number },
  runs: readonly { readonly ms: number; readonly targets: number }[],
): readonly Ratio[] {
  const [, transaction, a, b, bInTurn, c, cInTurn] = bound.map(({ p50Ms }) => p50Ms);
  const against = (name: string, one = Number.NaN): Ratio => ({
    ...{
      name: `p50, ${name} / plain transaction`,
      value: one / (transaction ?? 1),
      aim: 0,
      ok: true,
    },
  });
  const best = Math.max(...runs.map(({ ms, targets }) => (targets / ms) * 1_000));
  const told = (name: string, value: number): Ratio => ({ name, value, aim: 0, ok: true });
  return [
    against('tier A', a),
    against('tier B', b),
    against('tier B in turn', bInTurn),
    against('tier C', c),
    against('tier C in turn', cInTurn),
    told('targets a second beside writers', (load.targets / load.ms) * 1_000),
    told('failed writes beside the Expand', load.failed),
    {
      ...{
        name: 'targets migrated a second',
        value: best,
        aim: TARGETS_AIM,
        ok: best >= TARGETS_AIM,
      },
      ...(best >= TARGETS_AIM ? {} : { missed: 'see docs/reference/proofs.md' }),
    },
  ];
}
