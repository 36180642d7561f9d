/** Generated ids of workspaces: those that differ in hyphens alone are the ones that could meet. */
import { WorkspaceIdSchema } from '@portarium/contracts/ids';
import fc from 'fast-check';
import * as v from 'valibot';

export const workspaceIds = fc
  .stringMatching(/^[a-c][a-c0-1-]{1,8}$/)
  .filter((id) => v.is(WorkspaceIdSchema, id));
