import { expect, test } from 'bun:test';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { ProblemError } from './problems.ts';
import { readBytes } from './read-body.ts';

function posted(body: ReadableStream<Uint8Array>): Request {
  return new Request('http://control.test/', { method: 'POST', body });
}

async function refusal(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return error instanceof ProblemError ? error.failure.code : String(error);
  }
}

test('a body that drips keeps no request open beyond its time, and is not read any further', async () => {
  let cancelled = false;
  let sent = 0;
  const dripping = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await Bun.sleep(20);
      sent += 1;
      controller.enqueue(new Uint8Array(1));
    },
    cancel() {
      cancelled = true;
    },
  });
  expect(await refusal(readBytes(posted(dripping), 1_000_000, 150))).toBe('body.too-slow');
  await Bun.sleep(60);
  expect([cancelled, sent < 20]).toEqual([true, true]);
  expect(PLATFORM_LIMITS.bodyTimeoutMs).toBe(30_000);
});

test('a body that is too large is refused at its first byte too many', async () => {
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 1;
      controller.enqueue(new Uint8Array(1_000));
    },
  });
  expect(await refusal(readBytes(posted(endless), 10_000))).toBe('body.too-large');
  expect(sent).toBeLessThan(20);
});
