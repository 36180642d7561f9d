/** What keeps artifacts whole, locked and where they are, in both stores, and who may insist on that. */
import type { Defence } from './defence.ts';

const OBJECTS = 'control/src/infrastructure/objects';
const FILE = `${OBJECTS}/locked-file.ts`;
const DIRECTORY = `${OBJECTS}/directory-store.integration.test.ts`;
const S3 = `${OBJECTS}/s3-store.integration.test.ts`;
const KILLS = `${OBJECTS}/put-kill.integration.test.ts`;
const REGULATION = 'control/src/http/regulation.integration.test.ts';
const IN_ORDER = 'bytes are on the disk before they have their name';

export const STORE_DEFENCES: readonly Defence[] = [
  {
    name: 'If-None-Match on each write',
    file: `${OBJECTS}/s3-locks.ts`,
    source: "    'if-none-match': '*',\n",
    without: '',
    tests: S3,
    watching: 'lock battery, MinIO: write only where nothing is',
  },
  {
    name: 'the link that never writes over a file',
    file: FILE,
    source: '    await link(aside, path);\n',
    without: "    await rename(aside, path);\n    await (await open(aside, 'wx')).close();\n",
    tests: DIRECTORY,
    watching: 'lock battery, the directory store: overwrite',
  },
  {
    name: 'the default lock of a bucket',
    file: `${OBJECTS}/s3-buckets.ts`,
    source: "if (lock.mode === 'COMPLIANCE' && lock.days >= days) return;",
    without: 'if (lock.days >= 0) return;',
    tests: S3,
    watching: 'MinIO locks an artifact for as long as its class says',
  },
  {
    name: 'the lock that is there before the bytes',
    file: FILE,
    source: '    if (known === undefined || known.untilMs < retention.untilMs) {\n',
    without:
      '    const early = await writeOnce(path, bytes);\n    if (known === undefined || known.untilMs < retention.untilMs) {\n',
    also: {
      file: FILE,
      source: '    const fresh = await writeOnce(path, bytes);\n',
      without: '    const fresh = early;\n',
    },
    tests: KILLS,
    watching: IN_ORDER,
  },
  {
    name: 'the sync of bytes before they have their name',
    file: FILE,
    source: '    await file.sync();\n',
    without: '',
    tests: KILLS,
    watching: IN_ORDER,
  },
  {
    name: 'the sync of the folder before put returns',
    file: FILE,
    source: '    await syncFolder(dirname(path));\n    return fresh;\n',
    without: '    return fresh;\n',
    tests: KILLS,
    watching: IN_ORDER,
  },
  {
    name: 'the hold that outlives the retention',
    file: FILE,
    source: "if (lock?.held) return { outcome: 'kept', why: 'hold' };",
    without: '',
    tests: DIRECTORY,
    watching: 'lock battery, the directory store: delete under hold after expiry',
  },
  {
    name: 'the retention that is never shortened',
    file: FILE,
    source: 'if (known === undefined || untilMs < known.untilMs) return false;',
    without: 'if (known === undefined) return false;',
    tests: DIRECTORY,
    watching: 'lock battery, the directory store: shorten retention',
  },
  {
    name: 'the digest that is compared on each read of a file',
    file: `${OBJECTS}/directory-store.ts`,
    source: 'if (actual === digest) return bytes;',
    without: "if (actual !== 'sha256:') return bytes;",
    tests: DIRECTORY,
    watching: 'never hands out bytes that are not what their digest says',
  },
  {
    name: 'the digest that is compared on each read from S3',
    file: `${OBJECTS}/s3-store.ts`,
    source: 'return actual === digest ? bytes : undefined;',
    without: 'return bytes;',
    tests: S3,
    watching: 'neither a delete marker nor a newer version hides an artifact',
  },
  {
    name: 'the first version that an object of the log stays',
    file: `${OBJECTS}/s3-store.ts`,
    source: '.findLast(({ marker }) => !marker)',
    without: '.find(({ marker }) => !marker)',
    tests: S3,
    watching: 'neither a delete marker nor a newer version hides an artifact',
  },
  {
    name: 'every check that regulated retention asks for',
    file: 'control/src/application/regulated-retention.ts',
    source: 'if (probed.failed.length === 0) return undefined;',
    without: 'if (probed.failed.length < 2) return undefined;',
    tests: REGULATION,
    watching: 'the directory store is refused',
  },
  {
    name: 'the look at the store before a request of a regulated workspace is stored',
    file: 'control/src/application/request-action.ts',
    source: 'if (unfit) return unfit;',
    without: '',
    tests: REGULATION,
    watching: 'when a later probe fails',
  },
];
