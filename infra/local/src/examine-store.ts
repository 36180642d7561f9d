/**
 * Which locks of the evidence store hold: of the store of a running stack, which makes evidence of the result,
 * or of one in S3 that the environment names, which nobody records.
 */
import { request } from 'node:http';
import * as v from 'valibot';
import { inheritedVariables, type LocalEnvironment, outerVariables } from './environment.ts';
import { broken, type Finding, fine, lacking } from './finding.ts';
import { messageOf } from './local-stack-error.ts';
import { planeCommand } from './parts/plane-command.ts';
import { CONTROL_MAIN } from './parts/planes.ts';
import { runCommand } from './process/run-command.ts';
import { REPOSITORY_ROOT } from './repository.ts';
import { findRunningStack, type StackConnection } from './running-stack.ts';

const NAME = 'evidence store';
const GUIDE = 'docs/how-to/keep-artifacts-in-s3.md';
/** The battery waits seconds for locks to expire. */
const PROBE_MS = 120_000;

const ProbeSchema = v.object({
  adapter: v.string(),
  endpoint: v.optional(v.string()),
  checks: v.array(
    v.object({
      name: v.string(),
      held: v.boolean(),
      detail: v.optional(v.string()),
      meaning: v.optional(v.string()),
    }),
  ),
  report: v.optional(v.string()),
});
export type StoreReport = v.InferOutput<typeof ProbeSchema>;

/** Findings `evidence store`; none when no stack runs and none in S3 is configured. */
export async function examineStore(
  dataDir: string,
  environment: LocalEnvironment,
): Promise<readonly Finding[]> {
  const stack = findRunningStack(dataDir);
  if (stack === undefined && environment.all.PORTARIUM_EVIDENCE_STORE !== 'minio') return [];
  try {
    return storeFindings(await (stack ? probeOf(stack) : probeConfigured(environment)));
  } catch (error) {
    const fix = `See that it answers, and what its credentials may do (${GUIDE}).`;
    return [broken(NAME, `could not be probed: ${messageOf(error)}`, fix)];
  }
}

/** One finding for each check that failed, else one that says so. */
export function storeFindings({ adapter, endpoint, checks, report }: StoreReport): Finding[] {
  const failed = checks.filter(({ held }) => !held);
  const where = endpoint === undefined ? adapter : `${adapter} at ${endpoint}`;
  const kept = report === undefined ? '' : ', which is evidence (store.probed in _instance)';
  const count = `${checks.length - failed.length} of ${checks.length} checks of its locks held`;
  if (failed.length === 0) return [fine(NAME, `${where}: ${count}${kept}`, true)];
  const [first] = failed;
  const same =
    failed.length === checks.length && failed.every((one) => one.detail === first?.detail);
  if (same) {
    const detail = `${where}: no check of its locks held: ${first?.detail ?? 'nobody knows why'}`;
    return [broken(NAME, detail, `Correct it, or use another store (${GUIDE}).`)];
  }
  return failed.map(({ name, detail, meaning }) => {
    const said = [`${where}: ${name}: ${detail ?? 'it did not hold'}`, meaning?.replace(/\.$/, '')];
    const told = said.filter((text) => text !== undefined).join('. ');
    // What a folder can not do is no damage.
    return adapter === 'directory' && name === 'no way around the store'
      ? lacking(NAME, told, `Evidence that nobody can delete needs S3 with Object Lock (${GUIDE}).`)
      : broken(NAME, told, `Correct it, or use another store (${GUIDE}).`);
  });
}

/** Over a plain socket: proxy settings of the person's environment must not catch this. */
function probeOf({ url, keys }: StackConnection): Promise<StoreReport> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/v1/evidence/probes`, {
      method: 'POST',
      agent: false,
      headers: { authorization: `Bearer ${keys.admin}`, 'content-length': '0' },
      signal: AbortSignal.timeout(PROBE_MS),
    });
    asked.once('error', reject);
    asked.once('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        try {
          const body = JSON.parse(Buffer.concat(chunks).toString());
          if (response.statusCode === 200) resolve(v.parse(ProbeSchema, body));
          else reject(new Error(String(body.detail ?? response.statusCode)));
        } catch (error) {
          reject(error);
        }
      });
    });
    asked.end();
  });
}

async function probeConfigured(environment: LocalEnvironment): Promise<StoreReport> {
  const { file, args } = planeCommand(environment, CONTROL_MAIN, 'probe');
  const shown = await runCommand(file, args, {
    cwd: REPOSITORY_ROOT,
    env: { ...inheritedVariables(environment), ...outerVariables(environment) },
    timeoutMs: PROBE_MS,
  });
  const line = shown.output.split('\n').findLast((one) => one.startsWith('{"adapter"'));
  if (!shown.ok || line === undefined) throw new Error(shown.output.trim().split('\n').at(-1));
  return v.parse(ProbeSchema, JSON.parse(line));
}
