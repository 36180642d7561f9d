/** The one error that the client throws: a problem document, or why there was no usable answer. */
import * as v from 'valibot';

const ProblemSchema = v.looseObject({
  code: v.string(),
  detail: v.optional(v.string(), ''),
  hint: v.optional(v.string(), ''),
  trace: v.optional(v.string(), ''),
  errors: v.optional(v.array(v.looseObject({ pointer: v.string(), message: v.string() })), []),
});

export interface PortariumErrorParts {
  /**
   * A code of docs/reference/errors.md, or one of the client's own: `network` (no answer came),
   * `timeout`, `answer.unexpected` (it is not what this API sends).
   */
  readonly code: string;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  readonly detail: string;
  readonly hint: string;
  /** Trace id of the request, to be reported with a defect. */
  readonly trace: string;
  /** What is wrong where: a JSON Pointer into the body, or the name of a header or parameter. */
  readonly errors: readonly { readonly pointer: string; readonly message: string }[];
  /** The whole problem document, extensions such as `admission` included. */
  readonly problem: Readonly<Record<string, unknown>>;
}

export class PortariumError extends Error implements PortariumErrorParts {
  override readonly name = 'PortariumError';
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly hint: string;
  readonly trace: string;
  readonly errors: PortariumErrorParts['errors'];
  readonly problem: PortariumErrorParts['problem'];

  constructor(parts: PortariumErrorParts, options?: ErrorOptions) {
    super(sentence(parts), options);
    this.code = parts.code;
    this.status = parts.status;
    this.detail = parts.detail;
    this.hint = parts.hint;
    this.trace = parts.trace;
    this.errors = parts.errors;
    this.problem = parts.problem;
  }
}

function sentence({ code, detail, hint, trace, errors }: PortariumErrorParts): string {
  // A place whose words are already the detail's end would only say them again.
  const said = detail.replace(/\.$/, '');
  const places = (
    errors.length === 1 && said.endsWith(errors[0]?.message.replace(/\.$/, '') ?? '') ? [] : errors
  )
    .map(({ pointer, message }) => `${pointer || 'body'}: ${message.replace(/\.$/, '')}`)
    .filter((place) => !detail.includes(place));
  const marks = [code, ...(trace === '' ? [] : [`trace ${trace}`])].join(', ');
  const text = [detail, ...(places.length > 0 ? [`${places.join('; ')}.`] : []), hint];
  return `${text.filter((part) => part !== '').join(' ')} (${marks})`;
}

/** An error without an answer, or with one that this API does not send. */
export function clientError(
  code: 'network' | 'timeout' | 'answer.unexpected',
  detail: string,
  more: { readonly status?: number; readonly hint?: string; readonly cause?: unknown } = {},
): PortariumError {
  const { status = 0, hint = '', cause } = more;
  return new PortariumError(
    { code, status, detail, hint, trace: '', errors: [], problem: {} },
    cause === undefined ? {} : { cause },
  );
}

/** The error that a response other than 2xx stands for. */
export async function errorOf(response: Response): Promise<PortariumError> {
  const { status } = response;
  const body: unknown = await response.json().catch(() => undefined);
  const parsed = v.safeParse(ProblemSchema, body);
  if (!parsed.success) {
    return clientError(
      'answer.unexpected',
      `The answer has status ${status} and no problem document.`,
      {
        status,
        hint: 'Check that the URL is that of a Portarium Control Plane.',
      },
    );
  }
  const { code, detail, hint, trace, errors } = parsed.output;
  return new PortariumError({ code, status, detail, hint, trace, errors, problem: parsed.output });
}
