/** The versions of a plugin as a person reads them: which run, for how much, by whom, and which may not. */
import type { PluginVersions } from '@portarium/client/answers';
import { quarantineText, shareText } from '@portarium/client/version-text';
import { table } from './output.ts';

export function versionsText(found: PluginVersions): string {
  const rows = found.items.map((one) => [
    ...[one.version === found.current && one.state === 'active' ? '*' : ' ', one.version],
    ...[shareText(found, one), one.state],
    ...[one.signature?.publisher ?? '', one.digest, one.createdAt ?? ''],
  ]);
  const heads = ['', 'VERSION', 'SHARE', 'STATE', 'SIGNED BY', 'DIGEST', 'UPLOADED'];
  const notes = found.items.flatMap(({ version, quarantine }) =>
    quarantine
      ? [`${version} is quarantined since ${quarantine.at}: ${quarantineText(quarantine)}`]
      : [],
  );
  return [table([heads, ...rows]), ...notes].join('\n');
}
