/** Versions of a plugin in words, the same on every surface. */
import { runnable, shareOf } from '@portarium/contracts/weights';
import type { Plugin, PluginVersions } from './answers.ts';
import { visibleLine } from './visible-text.ts';

/** What part of the actions that name no version a version gets: `10 %`; empty for none. */
export function shareText(found: PluginVersions, { version, state }: Plugin): string {
  const { current, weights = { [current]: 1 }, items } = found;
  if (state !== 'active') return '';
  const active = items.filter((one) => one.state === 'active');
  const running = runnable(weights, new Set(active.map((one) => one.version)));
  const share = shareOf(running, version);
  return share === 0 ? '' : `${Number((share * 100).toFixed(1))} %`;
}

/** Why a version is quarantined. */
export function quarantineText(quarantine: NonNullable<Plugin['quarantine']>): string {
  const { cause, by, rationale, crashes } = quarantine;
  if (crashes) {
    const codes = Object.entries(crashes.codes).map(([code, count]) => `${count} × ${code}`);
    const people = `${crashes.people} ${crashes.people === 1 ? 'person' : 'people'}`;
    return `${crashes.count} crashes within ${crashes.windowMs / 60_000} min (${codes.join(', ')}), of ${people}`;
  }
  const what = cause === 'publisher-revoked' ? 'the key that signed it was revoked, ' : '';
  return visibleLine(`${what}by ${by ?? '?'}: ${rationale ?? '?'}`);
}
