/** The versions of a plugin as a person reads them: which run, for how much, by whom, and which may not. */
import type { Plugin, PluginVersions } from '@portarium/client/answers';
import { visibleLine } from '@portarium/client/visible-text';
import { runnable, shareOf } from '@portarium/contracts/rollout';
import { table } from './output.ts';

export function versionsText(found: PluginVersions): string {
  const rows = found.items.map((one) => [
    ...[one.version === found.current && one.state === 'active' ? '*' : ' ', one.version],
    ...[shareText(found, one), one.state],
    ...[one.signature?.publisher ?? '', one.digest, one.createdAt ?? ''],
  ]);
  const heads = ['', 'VERSION', 'SHARE', 'STATE', 'SIGNED BY', 'DIGEST', 'UPLOADED'];
  const notes = found.items.flatMap(({ version, quarantine }) =>
    quarantine ? [`${version} is quarantined since ${quarantine.at}: ${whyText(quarantine)}`] : [],
  );
  return [table([heads, ...rows]), ...notes].join('\n');
}

function shareText({ current, weights, items }: PluginVersions, { version, state }: Plugin) {
  if (state !== 'active') return '';
  if (weights === undefined) return version === current ? '100 %' : '';
  const active = items.filter(({ state }) => state === 'active');
  const running = runnable(weights, new Set(active.map((one) => one.version)));
  const share = shareOf(running, version);
  return share === 0 ? '' : `${Number((share * 100).toFixed(1))} %`;
}

/** Why a version is quarantined, in a sentence. */
export function whyText(quarantine: NonNullable<Plugin['quarantine']>): string {
  const { cause, by, rationale, crashes } = quarantine;
  if (crashes) {
    const codes = Object.entries(crashes.codes).map(([code, count]) => `${count} × ${code}`);
    const minutes = crashes.windowMs / 60_000;
    return `${crashes.count} crashes within ${minutes} min (${codes.join(', ')}), of ${crashes.people} ${crashes.people === 1 ? 'person' : 'people'}`;
  }
  const what = cause === 'publisher-revoked' ? 'the key that signed it was revoked, ' : '';
  return visibleLine(`${what}by ${by ?? '?'}: ${rationale ?? '?'}`);
}
