/** `WatchMetrics` by the API of OpenTelemetry; nothing is kept unless the process has started the SDK. */
import { metrics } from '@opentelemetry/api';
import type { Clock } from '../../application/ports/clock.ts';
import type { WatchMetrics } from '../../application/ports/watch-metrics.ts';

/** Attributes name the workspace, as in rules and dashboards. */
const WORKSPACE = 'portarium.workspace';

export function createWatchMetrics(clock: Clock): WatchMetrics {
  const meter = metrics.getMeter('portarium-control');
  const entries = meter.createCounter('portarium.evidence.verified_entries', {
    description: 'Entries of evidence logs that background verification has checked.',
    unit: '{entry}',
  });
  const repairs = meter.createCounter('portarium.reconciliation.repairs', {
    description: 'What the reconciler has put right, by check.',
    unit: '{repair}',
  });
  const open = new Map<string, { readonly count: number; readonly attributes: object }>();
  const findings = meter.createObservableGauge('portarium.watch.findings', {
    description: 'Open findings of verification and reconciliation; 0 where all agrees.',
    unit: '{finding}',
  });
  findings.addCallback((result) => {
    for (const { count, attributes } of open.values()) result.observe(count, { ...attributes });
  });
  const last = new Map<string, number>();
  const age = meter.createObservableGauge('portarium.evidence.verification_age', {
    description: 'Seconds since a log was verified last, to its end.',
    unit: 's',
  });
  age.addCallback((result) => {
    for (const [workspace, atMs] of last) {
      result.observe((clock.nowMs() - atMs) / 1000, { [WORKSPACE]: workspace });
    }
  });
  return {
    verified: (workspace, count) => entries.add(count, { [WORKSPACE]: workspace }),
    verifiedNow: (workspace) => last.set(workspace, clock.nowMs()),
    findings: (source, workspace, count) =>
      open.set(`${source}/${workspace}`, {
        count,
        attributes: { source, [WORKSPACE]: workspace },
      }),
    repaired: (check) => repairs.add(1, { check }),
  };
}
