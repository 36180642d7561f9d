import type { Attempt, JournalCall } from '@portarium/client/answers';
import { visibleLine } from '@portarium/client/visible-text';
import { shownRule } from '@portarium/contracts/egress-rule';
import { Badge } from './badge.tsx';
import { Table } from './table.tsx';

const WIDTH = 100;

/** Egress calls one after another: a guest makes one at a time. */
export function Waterfall(props: {
  readonly calls: readonly JournalCall[];
  readonly attempts: readonly Attempt[];
}) {
  const { calls, attempts } = props;
  const total = Math.max(
    1,
    calls.reduce((sum, { ms }) => sum + ms, 0),
  );
  const numbers = new Map(attempts.map(({ id, fence }) => [id, fence]));
  let begun = 0;
  const bars = calls.map((call) => {
    const x = (begun / total) * WIDTH;
    begun += call.ms;
    return { call, x, width: Math.max(0.5, (call.ms / total) * WIDTH) };
  });
  return (
    <Table heads={['Call', 'Request', 'Verdict', 'Rule', 'Bytes', 'Time']} class="waterfall">
      {bars.map(({ call, x, width }) => (
        <tr key={call.call}>
          <td>
            {call.call}
            <span class="quiet"> / attempt {numbers.get(call.attempt) ?? '?'}</span>
          </td>
          <td>
            <code>
              {visibleLine(`${call.method} ${call.scheme}://${call.host}:${call.port}${call.path}`)}
            </code>
          </td>
          <td>
            <Badge of={call.verdict} /> {call.status}
            {call.layer && <div class="quiet">by {visibleLine(call.layer)}</div>}
            {call.reason && <div class="quiet">{visibleLine(call.reason)}</div>}
          </td>
          <td>
            {call.rule && shownRule(call.rule)}
            {call.credential && <div class="quiet">with a credential</div>}
          </td>
          <td class="number">
            {call.bytesOut.toLocaleString('en')} out
            <br />
            {call.bytesIn.toLocaleString('en')} in
          </td>
          <td>
            <svg viewBox={`0 0 ${WIDTH} 8`} preserveAspectRatio="none" aria-hidden="true">
              <rect class={call.verdict} x={x} y={0} width={width} height={8} />
            </svg>
            <span class="quiet">{call.ms} ms</span>
          </td>
        </tr>
      ))}
    </Table>
  );
}
