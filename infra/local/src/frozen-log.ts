/** Whether a running stack says that logs contradict what was signed of them. Reads only. */
import * as v from 'valibot';
import { probeHttp } from './probes/http-probe.ts';

const HealthSchema = v.object({ parts: v.record(v.string(), v.string()) });

/** What `/healthz` says of frozen logs; undefined when there are none, or nothing answers. */
export async function frozenLogAt(url: string): Promise<string | undefined> {
  const { status, body } = await probeHttp(Number(new URL(url).port || 80), '/healthz');
  if (status !== 200) return undefined;
  try {
    const { parts } = v.parse(HealthSchema, JSON.parse(body));
    const said = parts['evidence-log'];
    return said?.startsWith('frozen') ? said : undefined;
  } catch {
    return undefined;
  }
}
