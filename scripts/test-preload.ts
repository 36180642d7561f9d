/** Loaded before every test run: room for real servers, and their stop after each file, or at the end when files run one by one. */
import { afterAll, setDefaultTimeout } from 'bun:test';

setDefaultTimeout(60_000);

afterAll(async () => {
  const { stopShared } = await import('@portarium/local/testing/shared-services');
  await stopShared();
}, 300_000);
