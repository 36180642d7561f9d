/** The steps in which a plugin does what it may not. */
import { type DemoBench, type DemoStep, expect } from './bench.ts';

export function hostileSteps({ as, run, summarise }: DemoBench): readonly DemoStep[] {
  return [
    {
      name: 'egress-denied',
      title: 'a plugin calls a host outside its grant',
      async run() {
        const action = await run('phone-home', 'report', {});
        expect(
          action.state === 'failed' && action.error?.code === 'egress.denied',
          `the action ended ${action.state}: ${JSON.stringify(action.error)}`,
        );
        const page = await as('auditor').evidence.page({ action: action.id });
        const denial = page.items.find(({ entry }) => entry.type === 'egress.denied');
        expect(denial !== undefined, 'the denial is not in the evidence');
        const { host, reason } = denial.entry.data as { host: string; reason: string };
        return {
          shown: `refused (${reason}), evidence entry ${denial.seq}`,
          data: { action: action.id, seq: denial.seq, host },
        };
      },
    },
    {
      name: 'deadline',
      title: 'a guest loops for ever while others keep running',
      async run() {
        const loop = run('endless-loop', 'spin', {});
        let loopEnded = false;
        const marked = loop.finally(() => {
          loopEnded = true;
        });
        let others = 0;
        while (!loopEnded) {
          const other = await summarise();
          expect(other.state === 'succeeded', `another action ended ${other.state} meanwhile`);
          if (!loopEnded) others += 1;
        }
        const action = await marked;
        expect(
          action.error?.code === 'limit.deadline',
          `the loop ended ${action.state}: ${JSON.stringify(action.error)}`,
        );
        expect(others > 0, 'no other action finished while the guest looped');
        return {
          shown: `killed at its deadline; ${others} other action(s) finished meanwhile`,
          data: { action: action.id, others },
        };
      },
    },
  ];
}
