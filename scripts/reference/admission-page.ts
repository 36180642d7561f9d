/** The page about admission: every rule, the features that are refused, and how much a module may hold. */
import { MODULE_BOUNDS } from '@portarium/admission/bounds';
import { FEATURES } from '@portarium/admission/features';
import { ADMISSION_RULES } from '@portarium/admission/finding';
import { SMOKE_RULES } from '@portarium/contracts/internal-api';
import { NOTICE } from './notice.ts';

const BOUND_TEXT = {
  sections: 'sections, custom ones included',
  types: 'types',
  parameters: 'parameters of one function type',
  results: 'results of one function type',
  imports: 'imports',
  functions: 'functions that the module defines',
  exports: 'exports',
  globals: 'globals that the module defines',
  globalBytes: 'bytes of the section of globals',
  tables: 'tables',
  elementSegments: 'element segments',
  elementEntries: 'entries of one element segment',
  elementBytes: 'bytes of the section of elements',
  dataSegments: 'data segments',
  nameBytes: 'bytes of the name of an import, an export or a custom section',
  functionBytes: 'bytes of code of one function',
  locals: 'local variables of one function',
  localsOfAll: 'local variables of all functions together',
  nesting: 'blocks, loops and conditions inside each other',
  branches: 'places that one `br_table` leads to',
  customBytes: 'bytes of custom sections together: names and debug data',
  debugNameBytes: 'bytes of one name in the section `name`',
} as const satisfies Record<keyof typeof MODULE_BOUNDS, string>;

export function admissionPage(): string {
  const smoke = new Set<string>(SMOKE_RULES);
  const rules = Object.entries(ADMISSION_RULES);
  const rows = (found: boolean) =>
    rules
      .filter(([rule]) => smoke.has(rule) === found)
      .map(([rule, [means, remedy]]) => `| \`${rule}\` | ${means} | ${remedy} |`)
      .join('\n');
  const features = Object.entries(FEATURES).map(([name, hint]) => `| ${name} | ${hint} |`);
  const bounds = Object.entries(BOUND_TEXT).map(([name, what]) => {
    const most = MODULE_BOUNDS[name as keyof typeof MODULE_BOUNDS];
    return `| ${what} | ${most.toLocaleString('en-GB')} |`;
  });
  return `# Rules of admission

${NOTICE}

An upload is admitted, or refused with findings: 422 \`plugin.not-admitted\` with
\`admission.findings[]\`, each with \`rule\`, \`message\` (what is wrong, with the value that was found),
\`hint\` (what to do about it) and often \`at\`: a function by its index, and by its name where the module
tells it, with the byte in the file; an import or export; or a JSON Pointer into the manifest.
\`portarium plugin check\` says the same without an upload.

## Read from the bytes

| Rule | A finding of it says | What to do |
|---|---|---|
${rows(false)}

## Found by an engine

What passes is compiled, and an instance is made of it, in a cell that runs nothing else, on a sandbox host.
Nothing of the module is called.

| Rule | A finding of it says | What to do |
|---|---|---|
${rows(true)}

## What is taken of WebAssembly

WebAssembly 2.0 (with SIMD, bulk memory, reference types, several results) and tail calls. Refused as
\`module.feature\`:

| Feature | What to do |
|---|---|
${features.join('\n')}

## How much a module may hold

| At most | |
|---|---|
${bounds.join('\n')}
`;
}
