/** Texts of a guest: what they do to a screen, a log and a parser. */
import { literal } from '../guest-text.ts';
import { type Family, fails, HELD, type ModuleCase, says, type Verdict } from '../module-case.ts';

const ESC = '\\1b';
const INVALID = fails('output.invalid');

type Part = string | readonly number[];

const error = (name: string, danger: string, ...parts: Part[]): ModuleCase => {
  const { memory, put } = literal(...parts);
  return {
    name: `an error with ${name}`,
    danger,
    module: `${memory} (func (export "run") (call $error_set ${put}))`,
    expect: fails('guest.error'),
  };
};

const log = (name: string, danger: string, ...parts: Part[]): ModuleCase => {
  const { memory, put } = literal(...parts);
  return {
    name: `a log line with ${name}`,
    danger,
    module: `${memory} (func (export "run") (call $log_info ${put}) (call $held))`,
    expect: HELD,
  };
};

/** A variable and a setting of that name. */
const named = (name: string): ModuleCase => {
  const { memory, put } = literal(name);
  return {
    name: `a variable ${name}`,
    danger: 'What all objects of the host share is read or changed',
    module: `${memory} (func (export "run")
        (if (i64.ne (call $var_get ${put}) (i64.const 0)) (then (unreachable)))
        (if (i64.ne (call $config_get ${put}) (i64.const 0)) (then (unreachable)))
        (call $var_set ${put} ${put})
        (call $verdict (i64.eq (call $length (call $var_get ${put})) (i64.const ${name.length}))))`,
    expect: HELD,
    attempts: 2,
  };
};

/** An output of an operation in JSON. @param text what it is as text */
const answer = (
  name: string,
  danger: string,
  of: { readonly parts: readonly Part[]; readonly text: string; readonly inProduct: Verdict },
): ModuleCase => {
  const { memory, put } = literal(...of.parts);
  return {
    name: `an output ${name}`,
    danger,
    module: `${memory} (func (export "run") (local $at i64)
        (local.set $at ${put})
        (call $output_set (local.get $at) (call $length (local.get $at))))`,
    operation: { encoding: 'json' },
    expect: says(of.text),
    inProduct: of.inProduct,
  };
};

const plainAnswer = (name: string, danger: string, text: string, inProduct: Verdict) =>
  answer(name, danger, { parts: [text], text, inProduct });

export const texts: Family = {
  name: 'text',
  title: 'Texts, and names that all objects have',
  cases: [
    error('bytes that are no UTF-8', 'A decoder that throws', [0xff, 0xfe, 0xc3, 0x28, 0x80]),
    error('half a pair of UTF-16', 'PostgreSQL and parsers refuse it', [0xed, 0xa0, 0x80]),
    error(
      'a sequence that clears the screen',
      'What was there is gone',
      '\u001b[2J\u001b[Hall is well',
    ),
    error(
      'a sequence that sets the window’s title',
      'A terminal that types it back',
      '\u001b]0;rm -rf\u0007',
    ),
    error(
      'a link that a terminal hides',
      'A click that goes elsewhere',
      '\u001b]8;;http://evil.test\u001b\\bank\u001b]8;;\u001b\\',
    ),
    error('a sequence in one byte', 'Terminals know ESC [ as U+009B too', '\u009b2Jgone'),
    error('text that runs backwards', 'A name that reads as another', 'invoice\u202efdp.exe'),
    error('a zero', 'PostgreSQL can not store it', 'before\0after'),
    error('carriage returns', 'A line that overwrites another', 'denied\rallowed'),
    error('letters without a width', 'Two texts that look the same', 'pay\u200bpal\ufeff'),
    log('a sequence that clears the screen', 'What was there is gone', '\u001bc\u001b[2J'),
    log('bytes that are no UTF-8', 'A decoder that throws', [0xff, 0xfe, 0xc3, 0x28, 0x80]),
    log('a line break and a line of the host', 'Lines that nobody wrote', 'x\n{"level":"info"}'),
    {
      name: 'an import whose name clears the screen',
      danger: 'The finding is shown in a terminal',
      module: `(import "${ESC}[2J" "${ESC}[H" (func)) (func (export "run"))`,
      expect: { stage: 'admission', rule: 'import.unknown' },
    },
    {
      name: 'exports whose names run backwards',
      danger: 'The finding lists them',
      module: `(func (export "\\e2\\80\\aenur") (export "${ESC}[31mrun"))`,
      expect: { stage: 'admission', rule: 'export.missing' },
    },
    {
      name: 'a description that clears the screen',
      danger: 'Whoever lists plugins sees what the author wants',
      module: '(func (export "run"))',
      operation: { description: '\u001b[2Jharmless' },
      expect: says(''),
    },
    named('__proto__'),
    named('constructor'),
    named('toString'),
    named('hasOwnProperty'),
    {
      name: 'an empty variable name',
      danger: 'A look-up of nothing',
      module: `(func (export "run") (local $key i64) (local.set $key (call $alloc (i64.const 0)))
          (call $verdict (i64.eqz (call $var_get (local.get $key)))))`,
      expect: HELD,
    },
    plainAnswer(
      'with a member __proto__',
      'What all objects share',
      '{"__proto__":{"a":1}}',
      says('{"__proto__":{"a":1}}'),
    ),
    plainAnswer('with one name twice', 'Two readers see two values', '{"a":1,"a":2}', INVALID),
    plainAnswer('that is no JSON', 'Whoever parses it', '{', INVALID),
    plainAnswer('with a number beyond all numbers', 'Infinity, which is no JSON', '1e999', INVALID),
    plainAnswer('with half a pair of UTF-16', 'Parsers refuse it', '"\\ud800"', INVALID),
    plainAnswer(
      'with a zero',
      'PostgreSQL can not store it as text',
      '"\\u0000"',
      says('"\\u0000"'),
    ),
    answer('that is no UTF-8', 'A decoder that throws', {
      parts: ['"', [0xff], '"'],
      text: '"\ufffd"',
      inProduct: INVALID,
    }),
  ],
};
