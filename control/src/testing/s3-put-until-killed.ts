/**
 * A writer on S3 in a process of its own, for whoever kills it. Its arguments: the endpoint, the files with the access and the
 * secret key, the workspace, the file with the bytes, and perhaps `after`: then it ends itself by SIGKILL once put has returned. For tests only.
 */
import { readFile } from 'node:fs/promises';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { systemClock } from '../infrastructure/identity/system.ts';
import { openS3Store } from '../infrastructure/objects/s3-store.ts';

const [
  endpoint = '',
  accessKeyFile = '',
  secretKeyFile = '',
  workspace = '',
  file = '',
  when = '',
] = process.argv.slice(2);
const store = await openS3Store(
  {
    endpoint,
    region: 'us-east-1',
    accessKeyFile,
    secretKeyFile,
    bucketPrefix: 'portarium-evidence',
  },
  systemClock,
);
await store.put(workspace as WorkspaceId, new Uint8Array(await readFile(file)), 'compliance');
if (when === 'after') process.kill(process.pid, 'SIGKILL');
console.log('put');
process.exit(0);
