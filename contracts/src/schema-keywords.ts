/** The keywords of the JSON Schema subset that plugins may use. */

/** Keywords that hold one schema, a list of them, or a map of them. */
export const SCHEMA_VALUES: ReadonlySet<string> = new Set([
  ...['additionalProperties', 'contains', 'else', 'if', 'items', 'not', 'propertyNames', 'then'],
]);
export const SCHEMA_LISTS: ReadonlySet<string> = new Set([
  'allOf',
  'anyOf',
  'oneOf',
  'prefixItems',
]);
export const SCHEMA_MAPS: ReadonlySet<string> = new Set([
  ...['$defs', 'definitions', 'patternProperties', 'properties'],
]);
const ASSERTIONS = new Set([
  ...['$ref', 'const', 'dependentRequired', 'enum', 'exclusiveMaximum', 'exclusiveMinimum'],
  ...['maxItems', 'maxLength', 'maxProperties', 'maximum', 'minItems', 'minLength'],
  ...['minProperties', 'minimum', 'multipleOf', 'pattern', 'required', 'type', 'uniqueItems'],
]);
const ANNOTATIONS = new Set([
  ...['$comment', '$schema', 'contentEncoding', 'contentMediaType', 'default', 'deprecated'],
  ...['description', 'examples', 'format', 'readOnly', 'title', 'writeOnly'],
]);

/** Whether the subset has the keyword; `x-…` are annotations of their authors. */
export function isSchemaKeyword(keyword: string): boolean {
  return (
    SCHEMA_VALUES.has(keyword) ||
    SCHEMA_LISTS.has(keyword) ||
    SCHEMA_MAPS.has(keyword) ||
    ASSERTIONS.has(keyword) ||
    ANNOTATIONS.has(keyword) ||
    keyword.startsWith('x-')
  );
}
