/** Reads the test runner's JUnit report: which tests ran, and how they ended. */

export interface TestResult {
  readonly file: string;
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
}

const CASE = /<testcase\b([^>]*?)(\/>|>([\s\S]*?)<\/testcase>)/g;

/** @throws Error when the report holds no test: a run of nothing proves nothing */
export function parseJunit(xml: string): readonly TestResult[] {
  const results: TestResult[] = [];
  for (const match of xml.matchAll(CASE)) {
    const body = match[3] ?? '';
    const outcome = /<(failure|error)\b/.test(body)
      ? 'failed'
      : /<skipped\b/.test(body)
        ? 'skipped'
        : 'passed';
    results.push({
      file: attribute(match[1] ?? '', 'file'),
      name: attribute(match[1] ?? '', 'name'),
      outcome,
    });
  }
  if (results.length === 0) throw new Error('the report holds no test');
  return results;
}

function attribute(text: string, name: string): string {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(text)?.[1] ?? '';
  return value
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll('&amp;', '&');
}
