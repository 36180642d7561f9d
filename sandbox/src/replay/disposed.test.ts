import { expect, test } from 'bun:test';
import type { Digest } from '@portarium/contracts/digest';
import { JOURNAL_MEDIA_TYPE } from '@portarium/contracts/journal-artifact';
import { honestLog, logKey, wholeBundle } from '@portarium/contracts/testing/honest-log';
import { type AttemptReport, replayBundle } from './replay-bundle.ts';

test('an attempt whose journal was disposed of can not be replayed, and its bundle is verified', async () => {
  const honest = await honestLog(['approvedWrite']);
  const digests = honest.log.entries.flatMap((bytes) =>
    (
      JSON.parse(new TextDecoder().decode(bytes)).artifacts as {
        digest: Digest;
        mediaType: string;
      }[]
    )
      .filter(({ mediaType }) => mediaType === JOURNAL_MEDIA_TYPE)
      .map(({ digest }) => digest),
  );
  expect(digests.length).toBeGreaterThan(0);
  const data = { digests: [...new Set(digests)], reason: 'the end of the year', by: 'ada' };
  const time = '2034-01-01T00:00:00.000Z';
  await honest.log.append({ type: 'disposal.ordered', subject: {}, data, time });
  const artifacts = new Map([...honest.artifacts].filter(([digest]) => !digests.includes(digest)));
  const reports: AttemptReport[] = [];
  const { summary, exitCode } = await replayBundle(await wholeBundle({ ...honest, artifacts }), {
    engines: [],
    pin: (await logKey()).verifierKey,
    onAttempt: (report: AttemptReport) => {
      reports.push(report);
    },
  } as never);
  expect(reports.map(({ reason }) => reason)).toEqual([
    'the journal was left out of the bundle, or disposed of',
  ]);
  expect(summary).toMatchObject({ ok: false, notReplayable: 1, bundle: 'verified' });
  expect(exitCode).toBe(3);
});
