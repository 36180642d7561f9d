/** The manifest of a plugin whose one operation, a read, is the export `run`. */
import { type Manifest, type ManifestInput, ManifestSchema } from '@portarium/contracts/manifest';
import * as v from 'valibot';

/** @param over fields of the operation that differ */
export function sampleManifest(over: Partial<ManifestInput['operations'][number]> = {}): Manifest {
  return v.parse(ManifestSchema, {
    schema: 1,
    name: 'sample',
    version: '1.0.0',
    operations: [{ name: 'run', export: 'run', effect: 'read', ...over }],
  } satisfies ManifestInput);
}
