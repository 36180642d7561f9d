/** The peer of `bench action`: a workflow with one activity, and nothing else. */
import { proxyActivities } from '@temporalio/workflow';

const { bare } = proxyActivities<{ bare(text: string): Promise<string> }>({
  startToCloseTimeout: '1 minute',
});

export async function bareWorkflow(text: string): Promise<string> {
  return bare(text);
}
