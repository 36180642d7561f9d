/**
 * What grew in a plugin version, in words for the person who decides. Authors wrote names and values, so
 * nothing in them may hide.
 */
import type { Growth } from '@portarium/contracts/contract-growth';
import { visibleLine } from './visible-text.ts';

export interface GrowthText {
  readonly title: string;
  /** `- ` what it was, `+ ` what it would be. */
  readonly lines: readonly string[];
}

export function growthText(growth: Growth): GrowthText {
  return { title: visibleLine(titleOf(growth)), lines: linesOf(growth).map(visibleLine) };
}

function titleOf({ kind, name, fields = [], before, after }: Growth): string {
  switch (kind) {
    case 'rule-added':
      return `New rule ${name}`;
    case 'rule-widened':
      return `Rule ${name} allows more: ${fields.join(', ')}`;
    case 'operation-added':
      return `New operation ${name} (${text(after)})`;
    case 'effect-changed':
      return `Operation ${name} is called ${text(after)}, and was called ${text(before)}`;
    case 'attributes-dropped':
      return `Policies can not count on these inputs of ${name} any more: ${fields.join(', ')}`;
    case 'retention-shortened':
      return `What ${name} leaves behind is kept as ${text(after)}, and was kept as ${text(before)}`;
    case 'credential-added':
      return `New credential ${name}`;
    case 'credential-changed':
      return `Credential ${name} is another: ${fields.join(', ')}`;
    case 'limit-raised':
      return `Limit ${name} is raised from ${text(before)} to ${text(after)}`;
  }
}

function linesOf({ fields, before, after }: Growth): string[] {
  const [old, now] = [fieldsOf(before), fieldsOf(after)];
  const shown = fields ?? Object.keys(now).filter((field) => field !== 'id');
  return shown.flatMap((field) => [
    ...(before === undefined ? [] : [`- ${field}: ${text(old[field])}`]),
    ...(after === undefined ? [] : [`+ ${field}: ${text(now[field])}`]),
  ]);
}

function fieldsOf(side: Growth['before']): Readonly<Record<string, unknown>> {
  return typeof side === 'object' ? side : {};
}

function text(value: unknown): string {
  if (value === undefined) return '(not stated)';
  if (Array.isArray(value)) return value.map(text).join(', ') || '(none)';
  if (typeof value === 'object' && value !== null) {
    const parts = Object.entries(value).map(([name, part]) => `${name} ${text(part)}`);
    return parts.join(', ');
  }
  return String(value);
}
