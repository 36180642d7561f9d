/**
 * What a file may do in its phase. An Expand goes in beside releases that know nothing of it: it takes nothing away and
 * asks nothing new of them. A Contract takes away, and adds nothing. Neither leaves its target or its transaction.
 */
import type { Migration } from './migration-files.ts';
import { blanked, lineOf, partsOf, type Statement, statementsIn } from './sql-statements.ts';

export interface Finding {
  /** `tenant/0019_expand_name.sql` */
  readonly file: string;
  readonly rule: string;
  /** Where the place is known; from 1. */
  readonly line?: number;
  readonly message: string;
}

interface Rule {
  readonly rule: string;
  readonly message: string;
  readonly finds: (words: string) => boolean;
}

const matches = (pattern: RegExp) => (words: string) => pattern.test(words);
/** Of every action of an `ALTER TABLE`. */
const inAlter = (finds: (part: string) => boolean) => (words: string) =>
  /^ALTER TABLE\b/i.test(words) && partsOf(words).some(finds);

/** What `ALTER TABLE` may drop: older releases need no default to be absent, and no value to be refused. */
const HARMLESS_DROP = /\bDROP (CONSTRAINT|DEFAULT|NOT NULL)\b/i;

const EXPAND: readonly Rule[] = [
  {
    rule: 'expand-drops',
    message: 'takes away what releases that run may need; a Contract does that',
    finds: (words) =>
      /^DROP\b/i.test(words) ||
      inAlter((part) => /\bDROP\b/i.test(part) && !HARMLESS_DROP.test(part))(words),
  },
  {
    rule: 'expand-deletes',
    message: 'deletes rows; a Contract does that',
    finds: matches(/^TRUNCATE\b|\bDELETE FROM\b/i),
  },
  {
    rule: 'expand-renames',
    message:
      'renames what releases that run know by its name; add the new one, and take the old one away later',
    finds: matches(/^ALTER\b.* RENAME\b/i),
  },
  {
    rule: 'expand-retypes',
    message:
      'changes a type, which rewrites the table and surprises releases that run; add another column',
    finds: inAlter(matches(/\bALTER (COLUMN )?\S+ (SET DATA )?TYPE\b/i)),
  },
  {
    rule: 'expand-demands',
    message:
      'demands a value of releases that do not know the column; give it a default, or let it be null',
    finds: inAlter(
      (part) =>
        /\bSET NOT NULL\b/i.test(part) ||
        (/\bADD (?!CONSTRAINT)/i.test(part) &&
          /\bNOT NULL\b/i.test(part) &&
          !/\b(DEFAULT|GENERATED)\b/i.test(part)),
    ),
  },
  {
    rule: 'expand-revokes',
    message: 'takes a right from a role that acts; a Contract does that',
    finds: (words) => /^REVOKE\b/i.test(words) && !/ FROM CURRENT_USER$/i.test(words),
  },
];

const CONTRACT: readonly Rule[] = [
  {
    rule: 'contract-adds',
    message: 'adds what its Expand should have added',
    finds: (words) =>
      /^CREATE TABLE\b/i.test(words) || inAlter(matches(/\bADD (?!CONSTRAINT)/i))(words),
  },
];

const EITHER: readonly Rule[] = [
  {
    rule: 'own-transaction',
    message: 'begins or ends a transaction; whoever runs the file does that',
    finds: matches(
      /^(BEGIN|START TRANSACTION|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|PREPARE TRANSACTION)\b/i,
    ),
  },
  {
    rule: 'leaves-target',
    message: 'changes role or search_path; a file runs as whoever owns its target, and there alone',
    finds: matches(/^(RESET|SET (LOCAL |SESSION )?(ROLE|SESSION AUTHORIZATION|search_path))\b/i),
  },
];

const CONCURRENT: Readonly<Record<Migration['phase'], RegExp>> = {
  expand: /^CREATE (UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS\b/i,
  contract: /^DROP INDEX CONCURRENTLY IF EXISTS\b/i,
};

export const fileOf = ({ folder, name }: Migration) => `${folder}/${name}`;

/** @param files of the same folder: an earlier one is what a Contract ends */
export function phaseFindings(
  migration: Migration,
  files: readonly Migration[],
): readonly Finding[] {
  const file = fileOf(migration);
  const statements = statementsIn(migration.sql);
  const rules = [...(migration.phase === 'expand' ? EXPAND : CONTRACT), ...EITHER];
  const findings: Finding[] = statements.flatMap(({ words, line }) =>
    rules
      .filter(({ finds }) => finds(words))
      .map(({ rule, message }) => ({ file, rule, line, message })),
  );
  const behind = statementsIn(migration.rollback ?? '');
  for (const { words } of behind) {
    for (const { rule, message, finds } of EITHER) {
      if (finds(words)) findings.push({ file, rule, message: `its rollback ${message}` });
    }
  }
  return [
    ...findings,
    ...starFindings(file, migration.sql),
    ...transactionFindings(migration, statements),
    ...requiresFindings(migration, files),
  ];
}

/** Columns that come later change what such a statement gives. */
function starFindings(file: string, sql: string): readonly Finding[] {
  const text = blanked(sql, 'text');
  return [...text.matchAll(/\b(SELECT|RETURNING)\s+(\w+\.)?\*/gi)].map(({ index }) => ({
    ...{ file, rule: 'every-column', line: lineOf(text, index) },
    message: 'names no columns: what it gives changes with the next one; name them',
  }));
}

function transactionFindings(
  migration: Migration,
  statements: readonly Statement[],
): readonly Finding[] {
  const file = fileOf(migration);
  const { phase, transaction } = migration;
  if (transaction) {
    return statements
      .filter(({ words }) => /\bCONCURRENTLY\b/i.test(words))
      .map(({ line }) => ({
        ...{ file, rule: 'concurrently', line },
        message: 'can not run in a transaction; its header needs "-- no-transaction"',
      }));
  }
  return statements
    .filter(({ words }) => !CONCURRENT[phase].test(words))
    .map(({ line }) => ({
      ...{ file, rule: 'not-repeatable', line },
      message: `without a transaction a crash leaves half of the file; only ${phase === 'expand' ? 'CREATE INDEX CONCURRENTLY IF NOT EXISTS' : 'DROP INDEX CONCURRENTLY IF EXISTS'} may be run again`,
    }));
}

function requiresFindings(
  { folder, name, phase, version, requires }: Migration,
  files: readonly Migration[],
): readonly Finding[] {
  if (phase === 'expand') return [];
  const ended = files.find((one) => one.name === requires);
  if (ended?.phase === 'expand' && ended.version < version) return [];
  return [
    {
      ...{ file: `${folder}/${name}`, rule: 'requires' },
      message: `ends ${requires}, which is no earlier Expand of ${folder}`,
    },
  ];
}
