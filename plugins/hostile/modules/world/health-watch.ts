/** Watches a host's health from another process, from its start to {@link HealthWatch.report}. */
import { join } from 'node:path';
import type { HealthReport } from './watch-health.ts';

export type { HealthReport };

export interface HealthWatch {
  /** Ends the watch. */
  report(): Promise<HealthReport>;
}

/** @param url such as `http://127.0.0.1:4000/healthz` */
export function watchHealth(url: string): HealthWatch {
  const child = Bun.spawn([process.execPath, join(import.meta.dirname, 'watch-health.ts'), url], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  return {
    async report() {
      child.stdin.end();
      const text = await new Response(child.stdout).text();
      await child.exited;
      return JSON.parse(text) as HealthReport;
    },
  };
}

/** What is wrong: late answers that the machine has no part in, beyond two in a hundred. */
export function healthProblems({ answers, late, excused, failed }: HealthReport): string[] {
  const most = Math.max(2, Math.floor(answers / 50));
  return [
    ...(answers < 5 ? [`only ${answers} answers came`] : []),
    ...(failed > 0 ? [`${failed} requests had no answer`] : []),
    ...(late - excused > most ? [`${late - excused} of ${answers} answers were late`] : []),
  ];
}
