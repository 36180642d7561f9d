/** The Temporal side of trying an uploaded module: its payload is ids, and its answer is one word. */
import { type CandidateDispatch, CandidateDispatchSchema } from '@portarium/contracts/internal-api';
import { ApplicationFailure } from '@temporalio/common';
import { beating, parsed, whenHostStops } from './attempt-activity.ts';
import type { CandidateEnd, CandidateRunner } from './candidate-runner.ts';

export interface CandidateActivities {
  admit(dispatch: CandidateDispatch): Promise<{ readonly end: string }>;
}

export function candidateActivities(
  runner: Pick<CandidateRunner, 'run'>,
  onEnd: (dispatch: CandidateDispatch, end: CandidateEnd) => void,
): CandidateActivities {
  return {
    async admit(payload) {
      const dispatch = parsed(CandidateDispatchSchema, payload);
      return beating(async (signal) => {
        const end = await runner.run(dispatch, whenHostStops(signal));
        onEnd(dispatch, end);
        if (end.end !== 'again') return { end: end.end };
        throw ApplicationFailure.retryable(end.reason, 'candidate.again');
      });
    },
  };
}
