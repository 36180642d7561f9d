/**
 * Assembles classic BPF as seccomp(2) runs it: words of the system call are loaded and compared, and
 * every path ends in an answer. Jumps lead forwards only, so that each program ends.
 */

/** One step. A jump without a name goes on with the next step. */
export type Step =
  /** A place that jumps lead to. */
  | { readonly label: string }
  /** Loads the 32-bit word at this offset, in bytes, of `struct seccomp_data`. */
  | { readonly load: number }
  /** Keeps these bits of what was loaded. */
  | { readonly and: number }
  | { readonly equal: number; readonly yes?: string; readonly no?: string }
  /** Unsigned. */
  | { readonly atLeast: number; readonly yes?: string; readonly no?: string }
  /** Ends with this answer. */
  | { readonly answer: number };

/** `BPF_LD|BPF_W|BPF_ABS`, `BPF_ALU|BPF_AND|BPF_K`, and so on: linux/bpf_common.h. */
const CODES = { load: 0x20, and: 0x54, equal: 0x15, atLeast: 0x35, answer: 0x06 } as const;
/** `struct sock_filter`: code, two distances, operand. */
export const INSTRUCTION_BYTES = 8;
const MAX_INSTRUCTIONS = 4_096;
const MAX_DISTANCE = 255;

/**
 * The program as bytes, 8 for each instruction, little-endian.
 *
 * @throws Error for a jump that is unknown, leads backwards or is too far, and for a last step that
 *   is no answer
 */
export function assemble(steps: readonly Step[]): Uint8Array<ArrayBuffer> {
  const places = new Map<string, number>();
  const instructions: Exclude<Step, { label: string }>[] = [];
  for (const step of steps) {
    if (!('label' in step)) instructions.push(step);
    else if (places.has(step.label)) throw new Error(`the label ${step.label} stands twice`);
    else places.set(step.label, instructions.length);
  }
  const last = instructions.at(-1);
  if (last === undefined || !('answer' in last)) throw new Error('the last step is no answer');
  if (instructions.length > MAX_INSTRUCTIONS) {
    throw new Error(`${instructions.length} instructions, at most ${MAX_INSTRUCTIONS}`);
  }
  const view = new DataView(new ArrayBuffer(instructions.length * INSTRUCTION_BYTES));
  for (const [index, step] of instructions.entries()) {
    const distance = (label: string | undefined) => distanceTo(label, places, index);
    write(view, index * INSTRUCTION_BYTES, step, distance);
  }
  return new Uint8Array(view.buffer);
}

function write(
  view: DataView,
  at: number,
  step: Exclude<Step, { label: string }>,
  distance: (label: string | undefined) => number,
): void {
  const put = (code: number, operand: number, yes = 0, no = 0) => {
    view.setUint16(at, code, true);
    view.setUint8(at + 2, yes);
    view.setUint8(at + 3, no);
    view.setUint32(at + 4, operand, true);
  };
  if ('load' in step) put(CODES.load, step.load);
  else if ('and' in step) put(CODES.and, step.and);
  else if ('answer' in step) put(CODES.answer, step.answer);
  else {
    const [code, operand] =
      'equal' in step ? [CODES.equal, step.equal] : [CODES.atLeast, step.atLeast];
    put(code, operand, distance(step.yes), distance(step.no));
  }
}

/** Instructions between a jump and its place. */
function distanceTo(
  label: string | undefined,
  places: ReadonlyMap<string, number>,
  index: number,
): number {
  if (label === undefined) return 0;
  const place = places.get(label);
  if (place === undefined) throw new Error(`there is no label ${label}`);
  const distance = place - index - 1;
  if (distance < 0 || distance > MAX_DISTANCE) {
    throw new Error(
      `the jump to ${label} is ${distance} instructions far, not 0 to ${MAX_DISTANCE}`,
    );
  }
  return distance;
}
