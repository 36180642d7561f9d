/**
 * Validates a value against a plugin's JSON Schema with an interpreter: schemas are untrusted, so no
 * code is generated from them. Admission has bounded their size, depth and references.
 */
import { type Schema, Validator } from '@cfworker/json-schema';

export interface SchemaViolation {
  /** JSON Pointer into the value. */
  readonly pointer: string;
  readonly message: string;
}

/** @returns at most 20 violations, none when `value` is valid */
export function validateJson(
  schema: Readonly<Record<string, unknown>>,
  value: unknown,
): readonly SchemaViolation[] {
  if (Object.keys(schema).length === 0) return [];
  const result = new Validator(schema as Schema, '2020-12', false).validate(value);
  if (result.valid) return [];
  return result.errors.slice(0, 20).map((error) => ({
    pointer: error.instanceLocation.replace(/^#/, ''),
    message: error.error,
  }));
}

/** The top-level properties that the schema marks `"x-policy": true`, as far as `input` has them. */
export function policyAttributes(
  schema: Readonly<Record<string, unknown>>,
  input: unknown,
): Readonly<Record<string, unknown>> {
  const properties = schema.properties;
  if (typeof properties !== 'object' || properties === null) return {};
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return {};
  const attributes: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(properties)) {
    const marked = (property as { 'x-policy'?: unknown } | null)?.['x-policy'] === true;
    if (marked && Object.hasOwn(input, name)) {
      attributes[name] = (input as Record<string, unknown>)[name];
    }
  }
  return attributes;
}
