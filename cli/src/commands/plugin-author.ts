/**
 * `portarium plugin new|check|test`: what an author does before anything is uploaded. Side effects: `new`
 * writes a folder; `check` and `test` build the plugin into its `build/` and start the sandbox's program as
 * a process, which tries the module in a cell without a network, and `test` each case in one of its own.
 */
import { dirname, join, resolve } from 'node:path';
import { findingText } from '@portarium/admission/finding';
import { visibleLine } from '@portarium/client/visible-text';
import { ManifestSchema } from '@portarium/contracts/manifest';
import { CaseResultSchema, CasesSchema, type PluginCase } from '@portarium/contracts/plugin-cases';
import { PluginNameSchema } from '@portarium/contracts/plugin-name';
import { LANGUAGES, type Language, newPlugin } from '@portarium/sdk/new-plugin';
import { type Command, Option } from 'commander';
import * as v from 'valibot';
import { caseText } from '../author-text.ts';
import { checkedJson } from '../checked-json.ts';
import { FindingSchema } from '../finding-schema.ts';
import { print, printJson, tell } from '../output.ts';
import { type PartOptions, partFilesOf, partOptions } from '../plugin-parts.ts';
import { readTextFile } from '../read-argument.ts';
import { sandboxLines } from '../sandbox-lines.ts';
import { UsageError } from '../usage-error.ts';

/** What the sandbox's program says of a module. */
const CheckedSchema = v.variant('ok', [
  v.looseObject({
    ok: v.literal(true),
    digest: v.string(),
    report: v.looseObject({
      sizeBytes: v.number(),
      memoryPages: v.number(),
      imports: v.array(v.string()),
    }),
  }),
  v.looseObject({ ok: v.literal(false), findings: v.array(FindingSchema) }),
]);

interface NewOptions {
  readonly lang: Language;
  readonly dir?: string;
  readonly json?: true;
}

interface CheckOptions extends PartOptions {
  readonly json?: true;
}

interface TestOptions extends PartOptions {
  readonly cases?: string;
  readonly json?: true;
}

export function registerPluginAuthor(plugin: Command): void {
  plugin
    .command('new')
    .argument('<name>', 'of lowercase letters, digits and hyphens')
    .description('make the folder of a new plugin that builds, passes its case, and can be pushed')
    .addOption(
      new Option('--lang <language>', 'what it is written in')
        .choices(LANGUAGES)
        .default('assemblyscript'),
    )
    .option('--dir <dir>', 'the folder (default: one with the plugin’s name)')
    .option('--json', 'print one line {name, dir}')
    .action(make);
  partOptions(plugin.command('check'))
    .description('say whether an upload of a plugin would be admitted; exit code 1 when not')
    .option('--json', 'print one line {ok, name, version, …} with report or findings')
    .action(check);
  partOptions(plugin.command('test'))
    .description('run the cases of a plugin in a sandbox, with recorded egress')
    .option('--cases <file>', 'the cases (default: cases.json of the folder, or beside --manifest)')
    .option('--json', 'print a line a case')
    .addHelpText(
      'after',
      `
Each case runs in a cell of its own, under the limits of production, and reaches no network: a call gets
the answer that the case records, and one that the manifest does not ask for is refused, as it would be.

Exit codes: 0 every case is ok, 1 one is not, 2 unusable files.`,
    )
    .action(test);
}

async function make(name: string, options: NewOptions): Promise<void> {
  const parsed = v.safeParse(PluginNameSchema, name);
  if (!parsed.success) {
    throw new UsageError(
      `${JSON.stringify(name)} is no name of a plugin: ${parsed.issues[0].message}.`,
    );
  }
  const dir = options.dir ?? name;
  const folder = await newPlugin(dir, name, options.lang).catch((error: Error) => {
    throw new UsageError(error.message);
  });
  if (options.json) return printJson({ name, dir: folder });
  print(folder);
  tell(`Next: portarium plugin test ${dir}`);
}

async function check(dir: string | undefined, options: CheckOptions): Promise<void> {
  const { json } = options;
  const { manifest, module } = await partFilesOf(dir, options);
  const { name, version } = checkedJson(manifest, await readTextFile(manifest), ManifestSchema);
  process.exitCode = await sandboxLines(
    ['check', '--manifest', manifest, '--module', module],
    (value) => {
      const { ok, ...told } = v.parse(CheckedSchema, value);
      if (json) return printJson({ ok, name, version, ...told });
      const admission = v.parse(CheckedSchema, value);
      if (!admission.ok) {
        print(`${name}@${version} would not be admitted:`);
        for (const finding of admission.findings) print(findingText(finding, visibleLine));
        return;
      }
      const { sizeBytes, memoryPages, imports } = admission.report;
      print(`${name}@${version} would be admitted  ${admission.digest}`);
      print(
        `  ${sizeBytes} bytes, at most ${memoryPages * 64} KiB of memory, ${imports.length} imports`,
      );
    },
  );
}

async function test(dir: string | undefined, options: TestOptions): Promise<void> {
  // Before anything is built, which may take long.
  const folder = dir ?? dirname(options.manifest ?? '');
  const casesFile = options.cases ?? join(folder, 'cases.json');
  const cases = checkedJson(casesFile, await readTextFile(casesFile), CasesSchema);
  const { manifest, module } = await partFilesOf(dir, options);
  let [ok, failed] = [0, 0];
  const code = await sandboxLines(
    [...['test', '--manifest', manifest, '--module', module], ...['--cases', resolve(casesFile)]],
    (value) => {
      const result = v.parse(CaseResultSchema, value);
      if (result.ok) ok++;
      else failed++;
      if (options.json) return printJson(result);
      print(caseText(result, expectedOf(cases.find(({ name }) => name === result.name))));
    },
  );
  process.exitCode = code;
  if (!options.json && code !== 2) print(`${ok} ok, ${failed} not`);
}

/** The output that a case expects; undefined when it expects an error. */
function expectedOf(one: PluginCase | undefined): unknown {
  return one !== undefined && 'output' in one.expect ? one.expect.output : undefined;
}
