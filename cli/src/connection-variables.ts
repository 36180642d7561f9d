/** The variables by which commands find a Control Plane when options do not name it. */
import * as v from 'valibot';

export const ConnectionVariablesSchema = v.object({
  PORTARIUM_URL: v.pipe(
    v.optional(v.string()),
    v.description('Control Plane; that of the running stack unless given.'),
    v.metadata({ type: 'address' }),
  ),
  PORTARIUM_KEY: v.pipe(
    v.optional(v.string()),
    v.description(
      'API key; one of the running stack unless given, of the role that the command needs.',
    ),
    v.metadata({ type: 'secret' }),
  ),
  PORTARIUM_WORKSPACE: v.pipe(
    v.optional(v.string()),
    v.description('Workspace; that of the running stack unless given.'),
  ),
});

export type ConnectionVariables = v.InferOutput<typeof ConnectionVariablesSchema>;
