/** The name of a plugin, apart from its manifest: the console's first load has no use for the rest. */
import * as v from 'valibot';

export const PluginNameSchema = v.pipe(
  v.string(),
  v.regex(/^[a-z][a-z0-9-]{1,62}$/, 'expected lowercase letters, digits and hyphens'),
);
