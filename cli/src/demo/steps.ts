/**
 * The steps of the demo: the main job on real input, and what must be refused. Each step asserts
 * what it shows; a step that shows something else fails the demo.
 */
import { type DemoParts, type DemoStep, demoBench } from './bench.ts';
import { evidenceSteps } from './evidence-steps.ts';
import { hostileSteps } from './hostile-steps.ts';
import { readSteps } from './read-steps.ts';
import { writeSteps } from './write-steps.ts';

export function demoSteps(parts: DemoParts): readonly DemoStep[] {
  const bench = demoBench(parts);
  return [
    ...readSteps(bench),
    ...writeSteps(bench),
    ...hostileSteps(bench),
    ...evidenceSteps(bench),
  ];
}
