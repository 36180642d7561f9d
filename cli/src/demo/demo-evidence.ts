/** Where the demo leaves its evidence, and the key that it was signed with. */
import { join } from 'node:path';

export function demoEvidence(dataDir: string) {
  const folder = join(dataDir, 'demo');
  return { folder, bundle: join(folder, 'evidence.tar'), pin: join(folder, 'pin.txt') } as const;
}
