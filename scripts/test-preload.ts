/** Loaded before every test run: room for real servers, and their stop at the end. */
import { afterAll, setDefaultTimeout } from 'bun:test';

setDefaultTimeout(60_000);

afterAll(async () => {
  const { stopShared } = await import('@portarium/local/testing/shared-services');
  await stopShared();
}, 300_000);
