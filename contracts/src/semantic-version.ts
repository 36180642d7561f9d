/**
 * Precedence of versions by https://semver.org, section 11. Where that says nothing (numbers that begin with
 * zeros, which are none there) the text decides, so that any two versions have an order wherever it is asked for.
 */

/**
 * @param a a version as `VersionSchema` takes it, as is `b`
 * @returns below 0 when `a` comes before `b`, above 0 when after, 0 when they are the same
 */
export function compareVersions(a: string, b: string): number {
  const order = comparePrecedence(a, b);
  if (order !== 0 || a === b) return order;
  return a < b ? -1 : 1;
}

function comparePrecedence(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  for (const [index, number] of left.core.entries()) {
    const order = compareNumbers(number, right.core[index] ?? '0');
    if (order !== 0) return order;
  }
  // A version comes after all of its previews.
  if (left.preview.length === 0 || right.preview.length === 0) {
    return right.preview.length - left.preview.length;
  }
  for (const [index, word] of left.preview.entries()) {
    const other = right.preview[index];
    if (other === undefined) return 1;
    const order = compareWords(word, other);
    if (order !== 0) return order;
  }
  return left.preview.length - right.preview.length;
}

function partsOf(version: string): { readonly core: string[]; readonly preview: string[] } {
  const dash = version.indexOf('-');
  if (dash < 0) return { core: version.split('.'), preview: [] };
  return { core: version.slice(0, dash).split('.'), preview: version.slice(dash + 1).split('.') };
}

const DIGITS = /^\d+$/;

/** Numbers come before words, and words by their ASCII characters. */
function compareWords(a: string, b: string): number {
  const [left, right] = [DIGITS.test(a), DIGITS.test(b)];
  if (left && right) return compareNumbers(a, b);
  if (left !== right) return left ? -1 : 1;
  return a === b ? 0 : a < b ? -1 : 1;
}

/** Any number of digits. */
function compareNumbers(a: string, b: string): number {
  const [left, right] = [BigInt(a), BigInt(b)];
  return left === right ? 0 : left < right ? -1 : 1;
}
