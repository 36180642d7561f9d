/**
 * `portarium plugin keygen|sign`: what a publisher does. Side effects: `keygen` writes a private key, `sign` a
 * signature. Neither needs a network.
 */
import { writeFile } from 'node:fs/promises';
import { canonicalText, type JsonValue } from '@portarium/contracts/canonical-json';
import { digestOf } from '@portarium/contracts/digest';
import { ManifestSchema } from '@portarium/contracts/manifest';
import { type SignedPlugin, signPlugin } from '@portarium/contracts/plugin-signature';
import { verifierKey } from '@portarium/contracts/signed-note';
import type { Command } from 'commander';
import { checkedJson } from '../checked-json.ts';
import { writeSentence } from '../file-sentence.ts';
import { print, printJson, tell } from '../output.ts';
import { type PartOptions, partOptions, partsOf } from '../plugin-parts.ts';
import { publisherName, readSigningKey, writeNewKey } from '../publisher-key.ts';
import { UsageError } from '../usage-error.ts';

interface KeygenOptions {
  readonly publisher: string;
  readonly out: string;
  readonly json?: true;
}

interface SignOptions extends PartOptions {
  readonly key: string;
  readonly publisher: string;
  readonly out: string;
  readonly json?: true;
}

export function registerPluginSign(plugin: Command): void {
  plugin
    .command('keygen')
    .description('make a key that a publisher signs plugins with, and print its verifier key')
    .requiredOption('--publisher <name>', 'the publisher whose key it is', publisherName)
    .requiredOption('-o, --out <file>', 'where the private key goes: PEM, for its owner alone')
    .option('--json', 'print one line {verifierKey, file}')
    .action(keygen);
  partOptions(plugin.command('sign'))
    .description('sign a plugin as its publisher: name, version, module and manifest')
    .requiredOption('--key <file>', 'the private key: PEM, of keygen or openssl')
    .requiredOption('--publisher <name>', 'the name that the key is trusted under', publisherName)
    .option('-o, --out <file>', 'where the signature goes', 'plugin.sig')
    .option('--json', 'print one line {file, name, version, verifierKey}')
    .action(sign);
}

async function keygen({ publisher, out, json }: KeygenOptions): Promise<void> {
  const key = await verifierKey(publisher, await writeNewKey(out));
  if (json) return printJson({ verifierKey: key, file: out });
  print(key);
  tell(`Whoever is to trust it runs: portarium publisher trust '${key}'`);
}

async function sign(dir: string | undefined, options: SignOptions): Promise<void> {
  const { publisher, out, json } = options;
  const key = await readSigningKey(options.key);
  const { manifest, module } = await partsOf(dir, options);
  const plugin = await signedPlugin(options.manifest ?? 'plugin.json', manifest, module);
  const note = await signPlugin(plugin, publisher, key.privateKey, key.publicKey);
  try {
    await writeFile(out, note);
  } catch (error) {
    throw new UsageError(writeSentence(out, error));
  }
  const { name, version } = plugin;
  const signer = await verifierKey(publisher, key.publicKey);
  if (json) return printJson({ file: out, name, version, verifierKey: signer });
  print(`${out}  ${name}@${version}  ${signer}`);
  tell(`Upload exactly these files: portarium plugin push … --signature ${out}`);
}

async function signedPlugin(
  file: string,
  manifestText: string,
  module: Uint8Array,
): Promise<SignedPlugin> {
  const manifest = checkedJson(file, manifestText, ManifestSchema);
  const { name, version } = manifest;
  const bytes = new TextEncoder().encode(canonicalText(manifest as unknown as JsonValue));
  return { name, version, digest: await digestOf(module), manifestDigest: await digestOf(bytes) };
}
