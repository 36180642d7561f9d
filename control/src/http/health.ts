/** Liveness, readiness with reasons, and what is running. No authentication, no tenant data. */
import type { Context } from '../application/context.ts';
import { frozenLogs } from '../application/frozen-logs.ts';
import { logsWithFindings } from '../application/view-verification.ts';
import type { Api } from './api.ts';

export interface HealthProbes {
  /** Name of each part that readiness depends on, and how it is asked. */
  readonly required: Readonly<Record<string, () => Promise<void>>>;
  /** Parts whose absence is shown and does not stop requests. */
  readonly optional: Readonly<Record<string, () => Promise<void>>>;
}

const PROBE_TIMEOUT_MS = 2_500;

/** A probe’s failure that is said as it stands, without tenant data: the part answers. */
export class ConditionError extends Error {
  override readonly name = 'ConditionError';
}

export function healthRoutes(app: Api, context: Context, probes: HealthProbes): void {
  app.get('/livez', (exchange) => exchange.json({ status: 'ok' }));
  app.get('/readyz', async (exchange) => {
    const reasons = context.stopping.aborted ? ['stopping'] : await failures(probes.required);
    return exchange.json(
      { ready: reasons.length === 0, reasons },
      reasons.length === 0 ? 200 : 503,
    );
  });
  app.get('/healthz', async (exchange) => {
    const parts: Record<string, string> = {};
    for (const [name, probe] of Object.entries({ ...probes.required, ...probes.optional })) {
      parts[name] = (await failures({ [name]: probe }))[0] ?? 'ok';
    }
    return exchange.json({
      version: context.version,
      vault: context.vault.kind,
      evidenceStore: context.objects.kind,
      parts,
    });
  });
}

/** @throws ConditionError that counts the logs which take no entry; whose they are is nobody’s business here */
export async function assertNoneFrozen(
  context: Pick<Context, 'store' | 'directory'>,
): Promise<void> {
  const { length } = await frozenLogs(context);
  if (length > 0) throw new ConditionError(`frozen: ${length} (evidence.rolled-back)`);
}

/** @throws ConditionError that counts the logs in which background verification found something */
export async function assertVerified(context: Pick<Context, 'store' | 'directory'>): Promise<void> {
  const { length } = await logsWithFindings(context);
  if (length > 0) throw new ConditionError(`findings in: ${length} (portarium evidence status)`);
}

async function failures(probes: Readonly<Record<string, () => Promise<void>>>): Promise<string[]> {
  const results = await Promise.all(
    Object.entries(probes).map(async ([name, probe]) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const timeout = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error('no answer')), PROBE_TIMEOUT_MS);
      });
      try {
        await Promise.race([probe(), timeout]);
        return [];
      } catch (error) {
        if (error instanceof ConditionError) return [error.message];
        return [
          `${name}: ${error instanceof Error && error.message === 'no answer' ? 'no answer' : 'away'}`,
        ];
      } finally {
        clearTimeout(timer);
      }
    }),
  );
  return results.flat();
}
