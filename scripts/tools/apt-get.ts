/** Packages of Debian, where this process may install them. */

/** Whether {@link installPackages} can work here. */
export function canInstallPackages(): boolean {
  return Bun.which('apt-get') !== null && process.getuid?.() === 0;
}

/** @throws Error with what apt-get said */
export function installPackages(packages: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', ...packages]]) {
    const ran = Bun.spawnSync(['apt-get', '--quiet', ...args], {
      env,
      stdout: 'ignore',
      stderr: 'pipe',
    });
    if (ran.exitCode !== 0) {
      throw new Error(`apt-get ${args[0]} failed: ${ran.stderr.toString().trim()}`);
    }
  }
}
