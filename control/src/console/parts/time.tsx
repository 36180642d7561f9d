import { signal } from '@preact/signals';

/** Counts on, so that “2 min ago” stays true. */
const ticks = signal(0);
setInterval(() => {
  ticks.value += 1;
}, 15_000);

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const;
const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });

/** A time as distance from now, with the exact one on hover. */
export function Time(props: { readonly at: string }) {
  return (
    <time dateTime={props.at} title={props.at}>
      {distance(Date.parse(props.at) - (ticks.value >= 0 ? Date.now() : 0))}
    </time>
  );
}

function distance(ms: number): string {
  const unit = UNITS.find(([, size]) => Math.abs(ms) >= size);
  return unit
    ? RELATIVE.format(Math.round(ms / unit[1]), unit[0])
    : ms > 1_000
      ? 'in a moment'
      : 'just now';
}

/** `14:03:07.120` in UTC, as evidence has it. */
export function clockText(at: string): string {
  return at.slice(11, 23);
}
