/** A number of mutants, each kind as often as the others, all decided by one seed. */
import { Draw } from './draw.ts';
import { MUTATIONS, type Mutant } from './kinds.ts';
import type { Material } from './material.ts';

export interface NamedMutant extends Mutant {
  /** `fork, seed 17`: makes the same one again. */
  readonly name: string;
}

export async function* mutantsOf(
  material: Material,
  options: { readonly seed: number; readonly count: number },
): AsyncGenerator<NamedMutant> {
  const kinds = Object.entries(MUTATIONS);
  for (let i = 0; i < options.count; i++) {
    const [kind, mutate] = kinds[i % kinds.length] ?? [];
    if (kind === undefined || mutate === undefined) return;
    const seed = options.seed + i;
    const mutant = await mutate(material, new Draw(seed));
    yield { ...mutant, name: `${kind}, seed ${seed}` };
  }
}
