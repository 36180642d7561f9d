/** What of an action's input policies may see. Never the raw input. */

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
