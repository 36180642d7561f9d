/** Where the Deno lies that `bun install` brings. Never looks in `PATH`: its version is part of a replay. */
import { createRequire } from 'node:module';

/** The package's binaries need no installation step: they are started where they lie. */
const PACKAGES: Readonly<Record<string, string>> = {
  'linux-x64': '@deno/linux-x64-glibc',
  'linux-arm64': '@deno/linux-arm64-glibc',
  'darwin-x64': '@deno/darwin-x64',
  'darwin-arm64': '@deno/darwin-arm64',
};

/**
 * The executable's absolute path.
 * @param platform such as `linux-x64`; this machine's when left out
 * @throws Error that says what to do when there is none for the platform, or it is not installed
 */
export function denoBinary(platform = `${process.platform}-${process.arch}`): string {
  const name = PACKAGES[platform];
  if (name === undefined) {
    throw new Error(
      `There is no Deno for ${platform} among the packages of npm. Replay with --engine bun.`,
    );
  }
  try {
    const ours = createRequire(import.meta.url);
    return createRequire(ours.resolve('deno/package.json')).resolve(`${name}/deno`);
  } catch {
    throw new Error(
      `Deno is not installed: the package ${name} is missing. Run bun install, or replay with --engine bun.`,
    );
  }
}
