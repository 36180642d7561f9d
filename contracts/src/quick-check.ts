/**
 * Makes a predicate of a valibot schema, for values that come by the hundred thousand and nearly always fit.
 * True means that valibot takes the value, and gives it back as it is; false means: ask valibot, which
 * says why. So it can be wrong in one direction only, and the tests compare both.
 */
import type * as v from 'valibot';

export type QuickCheck = (value: unknown) => boolean;

/** What this reads of valibot's schemas and of the actions in their pipes. */
interface Node {
  readonly kind: 'schema' | 'validation' | 'transformation' | 'metadata';
  readonly type: string;
  readonly pipe?: readonly Node[];
  readonly entries?: Readonly<Record<string, Node>>;
  readonly item?: Node;
  readonly items?: readonly Node[];
  readonly key?: Node;
  readonly value?: Node;
  readonly wrapped?: Node;
  readonly default?: unknown;
  readonly literal?: unknown;
  readonly options?: readonly unknown[];
  readonly requirement?: unknown;
  readonly operation?: (value: unknown) => unknown;
}

const never: QuickCheck = () => false;

/** @param recurring parts of `schema` whose values come again and again: each is looked at once */
export function quickCheck(
  schema: v.GenericSchema,
  recurring: readonly v.GenericSchema[] = [],
): QuickCheck {
  return new Compiler(new Set(recurring as readonly unknown[])).checkOf(schema as unknown as Node);
}

/** Texts that are remembered, and characters of the longest. */
const REMEMBERED = 1_024;
const LONGEST = 65_536;

/** Who asks for the text of the same object again gets it without another look. */
const texts = new WeakMap<object, string>();

/** The JSON of a value that nobody changes any more. */
export function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? '';
  const known = texts.get(value);
  if (known !== undefined) return known;
  const text = JSON.stringify(value);
  texts.set(value, text);
  return text;
}

function remembered(check: QuickCheck): QuickCheck {
  const known = new Set<string>();
  return (value) => {
    const text = textOf(value);
    if (known.has(text)) return true;
    if (!check(value)) return false;
    if (known.size < REMEMBERED && text.length <= LONGEST) known.add(text);
    return true;
  };
}

class Compiler {
  readonly #recurring: ReadonlySet<unknown>;

  constructor(recurring: ReadonlySet<unknown>) {
    this.#recurring = recurring;
  }

  checkOf(node: Node): QuickCheck {
    const check = node.pipe === undefined ? this.#schema(node) : this.#pipe(node.pipe);
    return this.#recurring.has(node) ? remembered(check) : check;
  }

  #pipe([first, ...actions]: readonly Node[]): QuickCheck {
    const checks = [this.#inner(first), ...actions.map(actionCheck)];
    return (value) => {
      for (const check of checks) if (!check(value)) return false;
      return true;
    };
  }

  #inner(node: Node | undefined): QuickCheck {
    return node ? this.checkOf(node) : never;
  }

  #schema(node: Node): QuickCheck {
    switch (node.type) {
      case 'string':
        return (value) => typeof value === 'string';
      case 'number':
        return (value) => typeof value === 'number' && !Number.isNaN(value);
      case 'boolean':
        return (value) => typeof value === 'boolean';
      case 'unknown':
        return () => true;
      case 'literal':
        return (value) => value === node.literal;
      case 'picklist': {
        const options = new Set(node.options);
        return (value) => options.has(value);
      }
      case 'nullable': {
        const check = this.#inner(node.wrapped);
        return (value) => value === null || check(value);
      }
      case 'optional':
        // Of a member that is there; who leaves it out is looked at by the object.
        return this.#inner(node.wrapped);
      case 'union':
      case 'variant': {
        const checks = (node.options as readonly Node[]).map((option) => this.checkOf(option));
        return (value) => checks.some((check) => check(value));
      }
      case 'array':
        return arrayCheck(this.#inner(node.item));
      case 'strict_tuple':
        return tupleCheck((node.items ?? []).map((item) => this.checkOf(item)));
      case 'record':
        return recordCheck(this.#inner(node.key), this.#inner(node.value));
      case 'strict_object':
      case 'loose_object':
        return this.#object(node.entries ?? {}, node.type === 'loose_object');
      default:
        return never;
    }
  }

  #object(entries: Readonly<Record<string, Node>>, loose: boolean): QuickCheck {
    const members = Object.entries(entries);
    const checks = new Map(members.map(([name, node]) => [name, this.checkOf(node)]));
    // A default would make another value of it.
    const needed = members
      .filter(([, node]) => node.type !== 'optional' || node.default !== undefined)
      .map(([name]) => name);
    return (value) => {
      if (!isObject(value)) return false;
      let found = 0;
      for (const name in value) {
        const check = checks.get(name);
        const item = value[name];
        if (check === undefined) {
          if (!loose || isOdd(name)) return false;
        } else if (item === undefined || !check(item)) return false;
        else found++;
      }
      if (found === checks.size) return true;
      for (const name of needed) if (value[name] === undefined) return false;
      return true;
    };
  }
}

function actionCheck({ kind, type, requirement, operation }: Node): QuickCheck {
  if (kind === 'metadata') return () => true;
  switch (type) {
    case 'regex':
      return (value) => {
        const pattern = requirement as RegExp;
        return !pattern.global && !pattern.sticky && pattern.test(value as string);
      };
    case 'integer':
      return (value) => Number.isInteger(value);
    case 'min_value':
      return (value) => (value as number) >= (requirement as number);
    case 'max_value':
      return (value) => (value as number) <= (requirement as number);
    case 'min_length':
      return (value) => (value as string).length >= (requirement as number);
    case 'max_length':
      return (value) => (value as string).length <= (requirement as number);
    case 'check':
      return requirement as QuickCheck;
    case 'transform':
      return (value) => operation?.(value) === value;
    default:
      return never;
  }
}

function arrayCheck(item: QuickCheck): QuickCheck {
  return (value) => {
    if (!Array.isArray(value)) return false;
    for (let i = 0; i < value.length; i++) if (!item(value[i])) return false;
    return true;
  };
}

function tupleCheck(items: readonly QuickCheck[]): QuickCheck {
  return (value) =>
    Array.isArray(value) &&
    value.length === items.length &&
    items.every((check, index) => check(value[index]));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Names that valibot leaves out, or that every object has. */
function isOdd(name: string): boolean {
  return name === 'prototype' || name in Object.prototype;
}

function recordCheck(key: QuickCheck, item: QuickCheck): QuickCheck {
  return (value) => {
    if (!isObject(value)) return false;
    for (const name in value) if (isOdd(name) || !key(name) || !item(value[name])) return false;
    return true;
  };
}
