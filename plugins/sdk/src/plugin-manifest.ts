/**
 * The little of a manifest that the kit itself reads. The full check is admission's, with the
 * schema in `contracts/src/manifest.ts`; this one must never be taken for it.
 */

export interface ManifestRule {
  readonly id: string;
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly [field: string]: unknown;
}

export interface ManifestConfigEntry {
  readonly default?: string;
  readonly [field: string]: unknown;
}

export interface ManifestCredential {
  readonly slot: string;
  /** The exact host that the secret may be sent to. */
  readonly host: string;
  readonly [field: string]: unknown;
}

export interface PluginManifest {
  readonly name: string;
  readonly version: string;
  readonly operations: readonly { readonly name: string; readonly export: string }[];
  readonly egress?: readonly ManifestRule[];
  readonly credentials?: readonly ManifestCredential[];
  readonly config?: { readonly [name: string]: ManifestConfigEntry };
  readonly [field: string]: unknown;
}

/**
 * Reads the text of a `plugin.json`.
 * @param file named in the error
 * @throws Error when it is not JSON or lacks a name, a version or operations
 */
export function readManifest(text: string, file: string): PluginManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (!isManifest(value)) {
    throw new Error(
      `${file} needs the strings "name" and "version" and a list "operations" whose items have ` +
        'a "name" and an "export"; see docs/how-to/write-a-plugin.md',
    );
  }
  return value;
}

function isManifest(value: unknown): value is PluginManifest {
  return (
    isRecord(value) &&
    typeof value.name === 'string' &&
    typeof value.version === 'string' &&
    Array.isArray(value.operations) &&
    value.operations.every(
      (operation) =>
        isRecord(operation) &&
        typeof operation.name === 'string' &&
        typeof operation.export === 'string',
    )
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
