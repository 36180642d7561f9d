/**
 * Finds bubblewrap, or installs Debian's: with it the tests see cells at their best level. Without it
 * those tests are skipped, so a machine that can not have it is told and goes on.
 */
import { canInstallPackages, installPackages } from './apt-get.ts';

const PACKAGE = 'bubblewrap';

export function installBubblewrap(): void {
  if (process.platform !== 'linux' || Bun.which('bwrap') !== null) return;
  if (canInstallPackages()) installPackages([PACKAGE]);
  else {
    console.warn(
      `There is no bwrap here, so tests of namespaces are skipped. Install ${PACKAGE} (Debian: apt-get install ${PACKAGE}).`,
    );
  }
}
