/** Starts and wakes the workflows of actions and uploads; a workflow's id is theirs, so twice is once. */
import { type ActionId, ActionIdSchema } from '@portarium/contracts/ids';
import type { CandidateDispatch, Dispatch } from '@portarium/contracts/internal-api';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import {
  Client,
  Connection,
  isGrpcServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import * as v from 'valibot';
import type { Dispatcher } from '../../application/ports/outside.ts';

export const CONTROL_TASK_QUEUE = 'control';
export const WORKFLOW_TYPE = 'action';
export const ADMISSION_TYPE = 'admission';
export const WAKE_UPDATE = 'wake';

export interface TemporalDispatcher extends Dispatcher {
  close(): Promise<void>;
}

const PING_DEADLINE_MS = 2_000;
const START_DEADLINE_MS = 5_000;
/** Nobody waits for what the reconciler asks. */
const LOOK_DEADLINE_MS = 30_000;
const GRPC_NOT_FOUND = 5;

/** Connects lazily, so that the API serves while Temporal is away. */
export function createDispatcher(address: string, namespace: string): TemporalDispatcher {
  const connection = Connection.lazy({ address });
  const client = new Client({ connection, namespace });
  const closing = new AbortController();
  const pending = new Set<Promise<unknown>>();
  /** A call that ends in time, and at once when the connection is closed under it. */
  const inTime = async <T>(work: () => Promise<T>, ms = START_DEADLINE_MS): Promise<T> => {
    const call = connection.withAbortSignal(closing.signal, () =>
      connection.withDeadline(Date.now() + ms, work),
    );
    pending.add(call);
    return call.finally(() => pending.delete(call));
  };
  const dispatcher: TemporalDispatcher = {
    async start(workspace, action, waits) {
      const dispatch: Dispatch = { workspace, action };
      try {
        await inTime(() =>
          client.workflow.start(WORKFLOW_TYPE, {
            taskQueue: CONTROL_TASK_QUEUE,
            workflowId: action,
            // One that was ended from outside is started anew; a claim finds what is over.
            workflowIdReusePolicy: 'ALLOW_DUPLICATE',
            workflowIdConflictPolicy: 'USE_EXISTING',
            args: waits ? [dispatch, true] : [dispatch],
          }),
        );
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      }
    },
    async wake(workspace, action, wake) {
      try {
        await inTime(() =>
          client.workflow
            .getHandle(action)
            .startUpdate(WAKE_UPDATE, { updateId: wake, waitForStage: 'ACCEPTED' }),
        );
      } catch (error) {
        if (!isGone(error)) throw error;
        // It never began or has ended: a new one looks at once, and finds what is over.
        await dispatcher.start(workspace, action, true);
      }
    },
    async admit(workspace, plugin) {
      const dispatch: CandidateDispatch = { workspace, plugin };
      await inTime(() =>
        client.workflow.start(ADMISSION_TYPE, {
          taskQueue: CONTROL_TASK_QUEUE,
          workflowId: plugin,
          // Nobody waits longer, so nobody is called later.
          workflowExecutionTimeout: PLATFORM_LIMITS.candidateMs,
          args: [dispatch],
        }),
      );
    },
    async isRunning(action) {
      try {
        const describe = () => client.workflow.getHandle(action).describe();
        const { status } = await inTime(describe, LOOK_DEADLINE_MS);
        return status.name === 'RUNNING';
      } catch (error) {
        if (isGone(error)) return false;
        throw error;
      }
    },
    async terminate(action, reason) {
      try {
        await inTime(() => client.workflow.getHandle(action).terminate(reason), LOOK_DEADLINE_MS);
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    },
    async listRunning(limit) {
      const query = `WorkflowType = '${WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'`;
      const actions = new Set<ActionId>();
      return inTime(async () => {
        for await (const { workflowId } of client.workflow.list({ query, pageSize: 1_000 })) {
          if (actions.size >= limit) break;
          const id = v.safeParse(ActionIdSchema, workflowId);
          if (id.success) actions.add(id.output);
        }
        return actions;
      }, LOOK_DEADLINE_MS);
    },
    async ping() {
      await connection.withDeadline(Date.now() + PING_DEADLINE_MS, () =>
        connection.workflowService.getSystemInfo({}),
      );
    },
    async close() {
      closing.abort();
      await Promise.allSettled(pending);
      await connection.close();
    },
  };
  return dispatcher;
}

function isGone(error: unknown): boolean {
  if (error instanceof WorkflowNotFoundError) return true;
  return isGrpcServiceError(error) && error.code === GRPC_NOT_FOUND;
}
