/** The levels of isolation, from the weakest. */
import { ISOLATION_LEVELS } from '@portarium/contracts/internal-api';

export type IsolationLevel = (typeof ISOLATION_LEVELS)[number];

/** For each level that is not reached: what is missing. */
export type MissingLayers = Partial<Record<IsolationLevel, string>>;

export function isWeaker(level: IsolationLevel, than: IsolationLevel): boolean {
  return ISOLATION_LEVELS.indexOf(level) < ISOLATION_LEVELS.indexOf(than);
}

/** What an operator is told when the machine gives less than they ask for; undefined when it does not. */
export function isolationProblem(
  required: IsolationLevel,
  level: IsolationLevel,
  missing: MissingLayers,
): string | undefined {
  if (!isWeaker(level, required)) return undefined;
  const reasons = Object.entries(missing)
    .filter(([name]) => !isWeaker(required, name as IsolationLevel))
    .map(([name, reason]) => `${name}: ${reason}`);
  return `SANDBOX_REQUIRE_ISOLATION asks for ${required}, and cells get ${level} here. Set right what is missing, or ask for less. ${reasons.join('; ')}`;
}
