/**
 * Finds Chromium, or installs Debian's. A browser is a part of the system: it brings fonts and
 * libraries along, so it goes where the system keeps such things.
 */
import { canInstallPackages, installPackages } from './apt-get.ts';

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
  if (!canInstallPackages()) throw new Error(`There is no Chromium here. ${advice}`);
  try {
    installPackages(PACKAGES);
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${advice}`);
  }
  const installed = found();
  if (installed === undefined)
    throw new Error(`Chromium was installed and is not found. ${advice}`);
  return installed;
}
