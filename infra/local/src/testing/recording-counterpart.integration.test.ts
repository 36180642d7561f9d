import { expect, test } from 'bun:test';
import { connect } from 'node:net';
import { type RecordingCounterpart, startRecordingCounterpart } from './recording-counterpart.ts';

function post(
  counterpart: RecordingCounterpart,
  id: string,
  headers: Record<string, string> = {},
  more: object = {},
): Promise<Response> {
  return fetch(`${counterpart.origin}/things`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ id, ...more }),
    signal: AbortSignal.timeout(5_000),
  });
}

const keyed = { 'idempotency-key': 'k1' };

test('without a key each request takes effect, and is counted by the id in its body', async () => {
  await using counterpart = await startRecordingCounterpart();
  const first = await (await post(counterpart, 'a')).json();
  const second = await (await post(counterpart, 'a')).json();
  await post(counterpart, 'b');
  expect([first, second]).toMatchObject([{ effect: 1 }, { effect: 2 }]);
  expect([counterpart.effects('a'), counterpart.effects('b')]).toEqual([2, 1]);
  expect(counterpart.requests('a').map(({ nth, key }) => [nth, key])).toEqual([
    [1, undefined],
    [2, undefined],
  ]);
  expect(counterpart.requests('none')).toEqual([]);
});

test('ids are found in forms and queries as well, under the name that is asked for', async () => {
  await using counterpart = await startRecordingCounterpart({
    idField: 'charge',
    answer: ({ id }, effect) => ({ refund: `${id}-${effect}` }),
  });
  const body = new URLSearchParams({ charge: 'ch 1', amount: '3' });
  const made = await fetch(`${counterpart.origin}/v1/refunds`, { method: 'POST', body });
  expect(await made.json()).toEqual({ refund: 'ch 1-1' });
  const looked = await fetch(`${counterpart.origin}/v1/refunds?charge=ch_2`);
  expect(await looked.json()).toEqual({ id: 'ch_2', effects: 0 });
  expect(counterpart.requests('ch 1')[0]).toMatchObject({ method: 'POST', path: '/v1/refunds' });
  expect(counterpart.requests('ch_2')[0]).toMatchObject({ method: 'GET', body: '' });
});

test('the first request of a key takes effect; later ones get its answer word for word', async () => {
  await using counterpart = await startRecordingCounterpart();
  const answers = await Promise.all([1, 2, 3].map(() => post(counterpart, 'a', keyed)));
  const bodies = await Promise.all(answers.map((answer) => answer.text()));
  expect(new Set(bodies).size).toBe(1);
  expect(answers.map(({ headers }) => headers.get('idempotent-replayed')).sort()).toEqual([
    null,
    'true',
    'true',
  ]);
  expect([counterpart.requests('a').length, counterpart.effects('a')]).toEqual([3, 1]);
});

test('a key that comes with another body is refused and takes no effect', async () => {
  await using counterpart = await startRecordingCounterpart();
  await post(counterpart, 'a', keyed);
  const other = await post(counterpart, 'a', keyed, { amount: 2 });
  expect(other.status).toBe(400);
  expect(counterpart.effects('a')).toBe(1);
});

test('it dies before the effect as often as it is told, then serves', async () => {
  await using counterpart = await startRecordingCounterpart();
  counterpart.plan('a', { fault: 'die-before-effect', times: 2 });
  for (let i = 0; i < 2; i++) await expect(post(counterpart, 'a', keyed)).rejects.toThrow();
  expect(counterpart.effects('a')).toBe(0);
  expect((await post(counterpart, 'a', keyed)).status).toBe(200);
  expect([counterpart.requests('a').length, counterpart.effects('a')]).toEqual([3, 1]);
});

test('it dies after the effect, and the same key gets the answer that was lost', async () => {
  await using counterpart = await startRecordingCounterpart();
  counterpart.plan('a', { fault: 'die-after-effect', times: 1 });
  await expect(post(counterpart, 'a', keyed)).rejects.toThrow();
  expect(counterpart.effects('a')).toBe(1);
  const again = await post(counterpart, 'a', keyed);
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  expect(counterpart.effects('a')).toBe(1);
});

test('a stalled request has taken effect and gets no answer', async () => {
  await using counterpart = await startRecordingCounterpart();
  counterpart.plan('a', { fault: 'stall' });
  const waiting = fetch(`${counterpart.origin}/`, {
    method: 'POST',
    body: '{"id":"a"}',
    signal: AbortSignal.timeout(300),
  });
  await expect(waiting).rejects.toThrow();
  expect(counterpart.effects('a')).toBe(1);
});

test('a double answer stands on the wire as two whole responses', async () => {
  await using counterpart = await startRecordingCounterpart();
  counterpart.plan('a', { fault: 'answer-twice' });
  const socket = connect(counterpart.port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString();
  });
  socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{"id":"a"}');
  while (!text.includes('second')) await Bun.sleep(5);
  socket.destroy();
  expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
  expect(counterpart.effects('a')).toBe(1);
});

test('an echo carries the secret plainly, as a URL and as base64, in headers and body', async () => {
  await using counterpart = await startRecordingCounterpart();
  counterpart.plan('a', { fault: 'echo-authorization' });
  const secret = 'canary/secret+1234';
  const answer = await post(counterpart, 'a', { authorization: `Bearer ${secret}` });
  const body = (await answer.json()) as Record<string, string>;
  expect(body.nested).toBe(`before${secret}after`);
  expect(body.url).toBe('canary%2Fsecret%2B1234');
  expect(answer.headers.get('x-echo')).toBe(`Bearer ${secret}`);
  expect(atob(answer.headers.get('x-echo-base64') ?? '')).toBe(secret);
});

test('hooks run when a request has arrived, before the answer, and after it', async () => {
  await using counterpart = await startRecordingCounterpart();
  const told: string[] = [];
  const open = Promise.withResolvers<void>();
  counterpart.plan('a', {
    arrived: async ({ nth }) => {
      told.push(`arrived ${nth} ${counterpart.effects('a')}`);
      await open.promise;
    },
    answering: () => void told.push(`answering ${counterpart.effects('a')}`),
    answered: () => void told.push('answered'),
  });
  const answer = post(counterpart, 'a');
  while (told.length === 0) await Bun.sleep(1);
  expect([counterpart.effects('a'), told]).toEqual([0, ['arrived 1 0']]);
  open.resolve();
  expect((await answer).status).toBe(200);
  while (told.length < 3) await Bun.sleep(1);
  expect(told).toEqual(['arrived 1 0', 'answering 1', 'answered']);
});

test('a request that breaks off before its last byte is no request', async () => {
  await using counterpart = await startRecordingCounterpart();
  const socket = connect(counterpart.port, '127.0.0.1');
  socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{"id":');
  await Bun.sleep(50);
  socket.destroy();
  await post(counterpart, 'b');
  expect(counterpart.requests('a')).toEqual([]);
});

test('a client that goes away does not undo the effect of what it has sent', async () => {
  await using counterpart = await startRecordingCounterpart();
  const arrived = Promise.withResolvers<void>();
  const open = Promise.withResolvers<void>();
  counterpart.plan('a', {
    arrived: async () => {
      arrived.resolve();
      await open.promise;
    },
  });
  const socket = connect(counterpart.port, '127.0.0.1');
  socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{"id":"a"}');
  await arrived.promise;
  socket.destroy();
  open.resolve();
  while (counterpart.effects('a') === 0) await Bun.sleep(1);
  expect(counterpart.effects('a')).toBe(1);
});
