/**
 * A cell whose engine is broken from the start: confined like every cell, then it runs attacks of its
 * arguments instead of guests. Says a line of JSON when it is confined, and one after each attack.
 */
import { writeSync } from 'node:fs';
import { ATTACKS, type AttackName, type AttackTarget } from './attacks.ts';
import { confineAsAsked } from './confine.ts';
import { openKernel } from './kernel.ts';

const STDOUT = 1;
const say = (line: object) => writeSync(STDOUT, `${JSON.stringify(line)}\n`);

const args = process.argv.slice(2);
const order = JSON.parse(args.find((argument) => argument.startsWith('{')) ?? '{}') as {
  readonly attacks: readonly AttackName[];
  readonly target: AttackTarget;
};
// Opened before the filter: code that broke out has functions of the C library in its reach.
const confined = await confineAsAsked(args);
const kernel = confined ?? (await openKernel());
say({ confined: confined !== undefined });
for (const attack of order.attacks) {
  say({ attack, gained: ATTACKS[attack](kernel, order.target) });
}
