/** Which values the keywords of a plugin's schemas can have (JSON Schema 2020-12, validation, 6 and 10). */
import { isRecord } from '@portarium/contracts/json-schema';
import { SCHEMA_LISTS, SCHEMA_MAPS, SCHEMA_VALUES } from '@portarium/contracts/schema-keywords';

type Test = (value: unknown) => boolean;

const TYPES: ReadonlySet<unknown> = new Set([
  ...['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'],
]);
const isNumber: Test = (value) => typeof value === 'number';
const isCount: Test = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
const isSchema: Test = (value) => typeof value === 'boolean' || isRecord(value);
const isNames: Test = (value) =>
  Array.isArray(value) && value.every((name) => typeof name === 'string');

const TESTS: ReadonlyMap<string, Test> = new Map<string, Test>([
  ['$ref', (value) => typeof value === 'string'],
  ['type', (value) => [value].flat().every((name) => TYPES.has(name))],
  ['enum', Array.isArray],
  ['required', isNames],
  ['dependentRequired', (value) => isRecord(value) && Object.values(value).every(isNames)],
  ['uniqueItems', (value) => typeof value === 'boolean'],
  ['multipleOf', (value) => isNumber(value) && Number(value) > 0],
  ...['exclusiveMaximum', 'exclusiveMinimum', 'maximum', 'minimum'].map(
    (name) => [name, isNumber] as const,
  ),
  ...['maxItems', 'maxLength', 'maxProperties', 'minItems', 'minLength', 'minProperties'].map(
    (name) => [name, isCount] as const,
  ),
]);

/** Whether a keyword of the subset can have that value; annotations can have any. */
export function isKeywordValue(keyword: string, value: unknown): boolean {
  if (SCHEMA_VALUES.has(keyword)) return isSchema(value);
  if (SCHEMA_LISTS.has(keyword)) return Array.isArray(value) && value.every(isSchema);
  if (SCHEMA_MAPS.has(keyword)) return isRecord(value) && Object.values(value).every(isSchema);
  return TESTS.get(keyword)?.(value) ?? true;
}
