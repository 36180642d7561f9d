/** A client of a server that follows a script, for tests of what the client sends and makes of it. */
import { PortariumClient } from '../portarium-client.ts';
import { PortariumError } from '../portarium-error.ts';

export const digest = `sha256:${'a'.repeat(64)}`;
export const ACTION = {
  id: 'act_019b76da80007000800000000000aaaa',
  state: 'succeeded',
  tier: 'auto',
  plugin: { name: 'p', version: '1.0.0', digest },
  operation: 'o',
  inputDigest: digest,
  output: { rows: 3 },
  attempts: 1,
  evidence: { from: 1, to: 5 },
  createdAt: '2026-01-01T00:00:00.000Z',
  addedLater: true,
};

type Answer = Response | Error;

/** A client whose server gives these answers in turn; what it was asked, and how long it paused. */
export function scripted(...answers: Answer[]) {
  const requests: Request[] = [];
  const pauses: number[] = [];
  const client = new PortariumClient({
    url: 'http://127.0.0.1:3000/',
    key: 'ptk_test',
    workspace: 'acme',
    random: () => 1,
    sleep: async (ms) => {
      pauses.push(ms);
    },
    fetch: async (request) => {
      requests.push(request);
      const answer = answers.shift();
      if (!answer) throw new Error('asked once more than expected');
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  return { client, requests, pauses };
}

export const json = (body: unknown, status = 200, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers });
export const problem = (code: string, status: number, headers = {}) =>
  json(
    { code, status, detail: 'Detail.', hint: 'Hint.', trace: 'ab', errors: [] },
    status,
    headers,
  );

export async function failureOf(promise: Promise<unknown>): Promise<PortariumError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof PortariumError) return error;
  throw new Error('expected a PortariumError');
}
