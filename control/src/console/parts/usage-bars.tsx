import type { Usage } from '@portarium/client/answers';

const DAY_MS = 86_400_000;
const HEIGHT = 60;
const WIDTH = 10;

/** Actions by day, what failed at the foot of each bar. */
export function UsageBars(props: {
  readonly from: string;
  readonly to: string;
  readonly days: Usage['days'];
}) {
  const { from, to, days } = props;
  const byDay = new Map(days.map((day) => [day.day, day]));
  const all: string[] = [];
  for (let ms = Date.parse(from); ms <= Date.parse(to); ms += DAY_MS) {
    all.push(new Date(ms).toISOString().slice(0, 10));
  }
  const most = Math.max(1, ...days.map(({ actions }) => actions));
  const scale = (count: number) => (count / most) * HEIGHT;
  const total = days.reduce((sum, { actions }) => sum + actions, 0);
  return (
    <svg
      class="bars"
      viewBox={`0 0 ${all.length * WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`${total} actions from ${from} to ${to}, at most ${most} a day`}
    >
      {all.map((day, i) => {
        const { actions = 0, failed = 0 } = byDay.get(day) ?? {};
        const x = i * WIDTH + 1;
        return (
          <g key={day}>
            <rect class="base" x={x} y={HEIGHT - 1} width={WIDTH - 2} height={1} />
            <rect
              class="all"
              x={x}
              y={HEIGHT - scale(actions)}
              width={WIDTH - 2}
              height={scale(actions)}
            >
              <title>{`${day}: ${actions} actions, ${failed} failed`}</title>
            </rect>
            <rect
              class="failed"
              x={x}
              y={HEIGHT - scale(failed)}
              width={WIDTH - 2}
              height={scale(failed)}
            />
          </g>
        );
      })}
    </svg>
  );
}
