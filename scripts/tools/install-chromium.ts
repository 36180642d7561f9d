/**
 * Finds Chromium, or installs Debian's. A browser is a part of the system: it brings fonts and
 * libraries along, so it goes where the system keeps such things.
 */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
const PACKAGES = ['chromium', 'fonts-liberation'];

function found(): string | undefined {
  const configured = process.env.PORTARIUM_CHROMIUM_BIN;
  if (configured) return configured;
  return NAMES.map((name) => Bun.which(name)).find((path) => path !== null) ?? undefined;
}

/**
 * @returns the path of the browser
 * @throws Error that says how to get one, where this may not install it
 */
export function installChromium(): string {
  const there = found();
  if (there !== undefined) return there;
  const advice = `Install Chromium (Debian: apt-get install ${PACKAGES.join(' ')}), or name one with PORTARIUM_CHROMIUM_BIN.`;
  if (Bun.which('apt-get') === null || process.getuid?.() !== 0) {
    throw new Error(`There is no Chromium here. ${advice}`);
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', ...PACKAGES]]) {
    const ran = Bun.spawnSync(['apt-get', '--quiet', ...args], {
      env,
      stdout: 'ignore',
      stderr: 'pipe',
    });
    if (ran.exitCode !== 0) {
      throw new Error(`apt-get ${args[0]} failed: ${ran.stderr.toString().trim()}\n${advice}`);
    }
  }
  const installed = found();
  if (installed === undefined)
    throw new Error(`Chromium was installed and is not found. ${advice}`);
  return installed;
}
