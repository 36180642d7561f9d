/** Loaded before every test run: stops shared servers at the end. */
import { afterAll } from 'bun:test';

afterAll(async () => {
  const { stopShared } = await import('@portarium/local/testing/shared-services');
  await stopShared();
});
