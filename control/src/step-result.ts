/** How a step of work ends: one line of JSON on standard output, `{"ok":false,"error"}` and exit code 1 when it failed. */

export interface StepResult {
  readonly ok: boolean;
}

export async function printResult(step: () => Promise<StepResult>): Promise<void> {
  const result = await step().catch((error: Error) => ({ ok: false, error: error.message }));
  console.log(JSON.stringify(result));
  if (!result.ok) process.exitCode = 1;
}
