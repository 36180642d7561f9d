/** Starts the workflow of an action; the workflow's id is the action's, so twice is once. */
import type { Dispatch } from '@portarium/contracts/internal-api';
import { Client, Connection, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Dispatcher } from '../../application/ports/outside.ts';

export const CONTROL_TASK_QUEUE = 'control';

export interface TemporalDispatcher extends Dispatcher {
  close(): Promise<void>;
}

const PING_DEADLINE_MS = 2_000;
const START_DEADLINE_MS = 5_000;

/** Connects lazily, so that the API serves while Temporal is away. */
export function createDispatcher(address: string, namespace: string): TemporalDispatcher {
  const connection = Connection.lazy({ address });
  const client = new Client({ connection, namespace });
  return {
    async start(workspace, action) {
      const dispatch: Dispatch = { workspace, action };
      try {
        await connection.withDeadline(Date.now() + START_DEADLINE_MS, () =>
          client.workflow.start('action', {
            taskQueue: CONTROL_TASK_QUEUE,
            workflowId: action,
            workflowIdReusePolicy: 'REJECT_DUPLICATE',
            args: [dispatch],
          }),
        );
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      }
    },
    async ping() {
      await connection.withDeadline(Date.now() + PING_DEADLINE_MS, () =>
        connection.workflowService.getSystemInfo({}),
      );
    },
    close: () => connection.close(),
  };
}
