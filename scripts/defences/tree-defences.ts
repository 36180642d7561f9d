/** What keeps a log from being taken back: sizes, the stored checkpoint, the freeze, keys that hand over. */
import type { Defence } from './defence.ts';

const SEALER = 'control/src/application/seal-log.ts';
const ATTACKS = 'control/src/application/seal-log.integration.test.ts';

export const TREE_DEFENCES: readonly Defence[] = [
  {
    name: 'the size that never goes back',
    file: SEALER,
    source: 'if (size >= storedSize && size >= signed) return;',
    without: 'if (size >= 0) return;',
    tests: ATTACKS,
    watching: 'a log cut below its own checkpoint is frozen',
  },
  {
    name: 'the comparison of sizes as a checkpoint is replaced',
    file: 'control/src/infrastructure/postgres/log-tables.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source
    source: ' AND size <= ${next.size} RETURNING size`',
    without: ' RETURNING size`',
    tests: ATTACKS,
    watching: 'the size of a checkpoint never goes back',
  },
  {
    name: 'the comparison with the stored checkpoint',
    file: SEALER,
    source: 'const older = [stored?.checkpoint, record && checkpointOfNote(record.note)];',
    without: 'const older = [record && checkpointOfNote(record.note)];',
    also: {
      file: SEALER,
      source: 'if (stored) await assertContains(',
      without: 'if (stored && sizes.size < 0) await assertContains(',
    },
    tests: ATTACKS,
    watching: 'a rewritten past with all hashes, tiles and checkpoint made anew',
  },
  {
    name: 'the comparison before the first entry',
    file: 'control/src/application/checked-store.ts',
    source: 'await checkOnce(workspace);',
    without: 'checkOnce(workspace).catch(() => undefined);',
    tests: ATTACKS,
    watching: 'nothing is appended to a rolled-back log before it was compared',
  },
  {
    name: 'the freeze',
    file: 'migrations/tenant/0013_expand_log_tree.sql',
    source: 'FOR EACH STATEMENT EXECUTE FUNCTION refuse_frozen_log();',
    without: 'FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION refuse_frozen_log();',
    tests: ATTACKS,
    watching: 'a frozen log refuses entries to every role and statement',
  },
  {
    name: 'the hash of each entry that is sealed',
    file: 'control/src/application/build-tiles.ts',
    source: 'if (hash !== entry.hash) {',
    without: "if (hash === '') {",
    tests: ATTACKS,
    watching: 'one entry that was changed, or put in without its hash',
  },
  {
    name: 'the signature of the old key under a handover',
    file: 'contracts/src/verify-keys.ts',
    source: 'if (!opened.ok || opened.signedBy.length !== 2 || statement.from === statement.to) {',
    without: 'if (!opened.ok || statement.from === statement.to) {',
    tests: 'contracts/src/verify-keys.test.ts',
    watching: 'a handover that the old key did not sign',
  },
  {
    name: 'the end of a key that handed over',
    file: 'contracts/src/verify-log.ts',
    source: 'if (known.length < ends.length) return;',
    without: 'if (known.length <= ends.length) return;',
    tests: 'contracts/src/verify-keys.test.ts',
    watching: 'an expired key signs nothing newer than its handover',
  },
];
