/** Whether the artifacts of a data folder's stack lie elsewhere. Reads only. */
import { dataFolderAt } from './data-folder.ts';
import type { LocalEnvironment } from './environment.ts';
import { readStackFile } from './stack-file.ts';

/**
 * Where they are, when not in the folder: as `variables` say that the next start will have it, else as the last
 * start had it.
 */
export function outerStoreOf(
  dataDir: string,
  variables: LocalEnvironment['all'],
): string | undefined {
  const last = readStackFile(dataFolderAt(dataDir).stack)?.startedWith?.variables;
  const told = variables.PORTARIUM_EVIDENCE_STORE === undefined ? last : variables;
  if (told?.PORTARIUM_EVIDENCE_STORE !== 'minio') return undefined;
  return told.PORTARIUM_EVIDENCE_ENDPOINT ?? 'S3';
}
