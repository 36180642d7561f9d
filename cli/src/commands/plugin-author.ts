/**
 * `portarium plugin new|check|test`: what an author does before anything is uploaded. Side effects: `new`
 * writes a folder; `check` and `test` build the plugin into its `build/`, and `test` starts the sandbox's
 * own test as a process, which starts a cell without a network for each case.
 */
import { join, resolve } from 'node:path';
import { admit } from '@portarium/admission/admit';
import { effectiveLimits } from '@portarium/contracts/limits';
import { ManifestSchema, PluginNameSchema } from '@portarium/contracts/manifest';
import { CaseResultSchema, CasesSchema, type PluginCase } from '@portarium/contracts/plugin-cases';
import { LANGUAGES, type Language, newPlugin } from '@portarium/sdk/new-plugin';
import { type Command, Option } from 'commander';
import * as v from 'valibot';
import { caseText, findingText } from '../author-text.ts';
import { checkedJson } from '../checked-json.ts';
import { compilePlugin } from '../compile-plugin.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { print, printJson, tell } from '../output.ts';
import { readTextFile } from '../read-argument.ts';
import { sandboxLines } from '../sandbox-lines.ts';
import { UsageError } from '../usage-error.ts';

interface NewOptions {
  readonly lang: Language;
  readonly dir?: string;
  readonly json?: true;
}

interface TestOptions {
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
  plugin
    .command('check')
    .argument('<dir>', 'the plugin’s folder')
    .description('build a plugin and say whether an upload would be admitted; exit code 1 when not')
    .option('--json', 'print one line {ok, name, version, …} with report or findings')
    .action(check);
  plugin
    .command('test')
    .argument('<dir>', 'the plugin’s folder')
    .description('build a plugin and run its cases in a sandbox, with recorded egress')
    .option('--cases <file>', 'the cases (default: cases.json of the folder)')
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

async function check(dir: string, { json }: { readonly json?: true }): Promise<void> {
  const { manifestText, module } = await compilePlugin(dir);
  const manifest = checkedJson(join(dir, 'plugin.json'), manifestText, ManifestSchema);
  const admission = await admit(module, manifest, effectiveLimits(manifest.limits));
  const { name, version } = manifest;
  if (!admission.ok) process.exitCode = EXIT_CODES.failed;
  if (json) {
    const { ok } = admission;
    const rest = ok
      ? { digest: admission.digest, moduleDigest: admission.moduleDigest, report: admission.report }
      : { findings: admission.findings };
    return printJson({ ok, name, version, ...rest });
  }
  if (admission.ok) {
    const { sizeBytes, memoryPages, imports } = admission.report;
    print(`${name}@${version} would be admitted  ${admission.digest}`);
    print(
      `  ${sizeBytes} bytes, at most ${memoryPages * 64} KiB of memory, ${imports.length} imports`,
    );
    return;
  }
  print(`${name}@${version} would not be admitted:`);
  for (const finding of admission.findings) print(findingText(finding));
}

async function test(dir: string, options: TestOptions): Promise<void> {
  const casesFile = options.cases ?? join(dir, 'cases.json');
  const cases = checkedJson(casesFile, await readTextFile(casesFile), CasesSchema);
  const { outDir } = await compilePlugin(dir);
  const built = (name: string) => join(outDir, name);
  let [ok, failed] = [0, 0];
  const code = await sandboxLines(
    [
      ...['test', '--manifest', built('plugin.json'), '--module', built('plugin.wasm')],
      ...['--cases', resolve(casesFile)],
    ],
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
