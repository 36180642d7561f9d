/**
 * Writes the JSON Schemas (2020-12) of what crosses a boundary to `docs/reference/schemas/`, from
 * the valibot schemas in `contracts/`. With `--check` it writes nothing and fails on drift.
 * Rules that JSON Schema can not say (unique ids, public suffixes) stand in the valibot schemas only.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { ActionOrderSchema } from '@portarium/contracts/action-order';
import { ApprovalStatementSchema } from '@portarium/contracts/approval-statement';
import { BundleManifestSchema } from '@portarium/contracts/bundle-layout';
import { GrowthStatementSchema } from '@portarium/contracts/contract-growth';
import { ENTRY_DATA_SCHEMAS } from '@portarium/contracts/entry-data';
import { EntrySchema } from '@portarium/contracts/evidence-entry';
import { OperatorEgressSchema } from '@portarium/contracts/grantable-rules';
import { JournalArtifactSchema } from '@portarium/contracts/journal-artifact';
import { ManifestSchema } from '@portarium/contracts/manifest';
import { TicketSchema } from '@portarium/contracts/ticket';
import { VerifyReportSchema } from '@portarium/contracts/verify-report-schema';
import { toJsonSchema } from '@valibot/to-json-schema';
import type { GenericSchema } from 'valibot';

const FOLDER = new URL('../docs/reference/schemas/', import.meta.url);

const SCHEMAS: Readonly<
  Record<string, { readonly title: string; readonly schema: GenericSchema }>
> = {
  manifest: { title: 'plugin.json, as an author writes it', schema: ManifestSchema },
  egress: { title: 'Rules and networks that an operator grants', schema: OperatorEgressSchema },
  entry: { title: 'An entry of the evidence log', schema: EntrySchema },
  ticket: { title: 'Claims of the ticket that lets a host run one attempt', schema: TicketSchema },
  'approval-statement': {
    title: 'What an approver agrees to',
    schema: ApprovalStatementSchema,
  },
  'growth-statement': {
    title: 'What people agree to who approve a version of a plugin that grew',
    schema: GrowthStatementSchema,
  },
  order: {
    title: 'Everything beside the journal that the attempts of an action are a function of',
    schema: ActionOrderSchema,
  },
  journal: {
    title: 'The egress calls of an action, as the end of an attempt names them',
    schema: JournalArtifactSchema,
  },
  'verify-report': {
    title: 'The report of a verification, as evidence verify --json prints it',
    schema: VerifyReportSchema,
  },
  'bundle-manifest': { title: 'manifest.json of an exported bundle', schema: BundleManifestSchema },
};

/** File names and their texts. */
export function schemaFiles(): Map<string, string> {
  const files = new Map<string, string>();
  const add = (name: string, title: string, body: object) => {
    files.set(`${name}.json`, `${JSON.stringify({ ...body, title }, null, 2)}\n`);
  };
  const options = { errorMode: 'ignore', typeMode: 'input', target: 'draft-2020-12' } as const;
  for (const [name, { title, schema }] of Object.entries(SCHEMAS)) {
    add(name, title, toJsonSchema(schema, options));
  }
  const data: Record<string, object> = {};
  for (const [type, schema] of Object.entries(ENTRY_DATA_SCHEMAS)) {
    const { $schema: _, ...body } = toJsonSchema(schema, options);
    data[type] = body;
  }
  const $schema = 'https://json-schema.org/draft/2020-12/schema';
  add('entry-data', 'The data of an entry, by its type', { $schema, $defs: data });
  return files;
}

async function read(name: string): Promise<string | undefined> {
  try {
    return await readFile(new URL(name, FOLDER), 'utf8');
  } catch {
    return undefined;
  }
}

/** Names of files that are not what the code says, missing and surplus ones included. */
export async function drifted(): Promise<string[]> {
  const files = schemaFiles();
  const names: string[] = [];
  for (const [name, text] of files) if ((await read(name)) !== text) names.push(name);
  const present = await readdir(FOLDER).catch(() => []);
  return [...names, ...present.filter((name) => !files.has(name))];
}

async function main(check: boolean): Promise<void> {
  const wrong = await drifted();
  if (check) {
    if (wrong.length === 0) return;
    process.stderr.write(
      `docs/reference/schemas differs from contracts/ in ${wrong.join(', ')}; run: bun run scripts/generate-schemas.ts\n`,
    );
    process.exitCode = 1;
    return;
  }
  await mkdir(FOLDER, { recursive: true });
  for (const [name, text] of schemaFiles()) await writeFile(new URL(name, FOLDER), text);
}

if (import.meta.main) await main(process.argv.includes('--check'));
