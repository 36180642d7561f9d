import { useId, useState } from 'preact/hooks';

/** As far as a form can show it; the Control Plane checks everything. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** A value that a form of this schema begins with. */
export function startOf(schema: JsonSchema): unknown {
  if (schema.default !== undefined) return schema.default;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  switch (schema.type) {
    case 'object': {
      const required = (schema.required ?? []).map((name) => [
        name,
        startOf(schema.properties?.[name] ?? {}),
      ]);
      return Object.fromEntries(required);
    }
    case 'array':
      return [];
    case 'number':
    case 'integer':
      return schema.minimum ?? 0;
    case 'boolean':
      return false;
    case 'string':
      return '';
    default:
      return {};
  }
}

/** Fields for what an object has; JSON for what no field can say. */
export function SchemaForm(props: {
  readonly schema: JsonSchema;
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
}) {
  const { schema, value, onChange } = props;
  const properties = Object.entries(schema.properties ?? {});
  if (schema.type !== 'object' || properties.length === 0) {
    return <Field name="Input" schema={schema} required value={value} onChange={onChange} />;
  }
  const held = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  return (
    <div class="fields">
      {properties.map(([name, inner]) => (
        <Field
          key={name}
          name={name}
          schema={inner}
          required={schema.required?.includes(name) ?? false}
          value={held[name]}
          onChange={(next) => {
            const { [name]: _gone, ...others } = held;
            onChange(next === undefined ? others : { ...held, [name]: next });
          }}
        />
      ))}
    </div>
  );
}

interface FieldProps {
  readonly name: string;
  readonly schema: JsonSchema;
  readonly required: boolean;
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
}

function Field(props: FieldProps) {
  const { name, schema, required } = props;
  const id = useId();
  return (
    <div class="field">
      <label for={id}>
        {schema.title ?? name}
        {!required && <span class="quiet"> (optional)</span>}
      </label>
      <Control {...props} id={id} />
      {schema.description && <p class="quiet">{schema.description}</p>}
    </div>
  );
}

function Control({ id, schema, required, value, onChange }: FieldProps & { readonly id: string }) {
  const optional = (text: string, next: unknown) =>
    onChange(text === '' && !required ? undefined : next);
  if (schema.enum) {
    return (
      <select
        id={id}
        value={JSON.stringify(value)}
        onChange={({ currentTarget }) =>
          optional(currentTarget.value, currentTarget.value && JSON.parse(currentTarget.value))
        }
      >
        {!required && <option value="">–</option>}
        {schema.enum.map((one) => (
          <option key={JSON.stringify(one)} value={JSON.stringify(one)}>
            {String(one)}
          </option>
        ))}
      </select>
    );
  }
  if (schema.type === 'boolean') {
    return (
      <input
        id={id}
        type="checkbox"
        checked={value === true}
        onChange={({ currentTarget }) => onChange(currentTarget.checked)}
      />
    );
  }
  if (schema.type === 'number' || schema.type === 'integer') {
    return (
      <input
        id={id}
        type="number"
        step={schema.type === 'integer' ? 1 : 'any'}
        min={schema.minimum}
        max={schema.maximum}
        required={required}
        value={typeof value === 'number' ? value : ''}
        onInput={({ currentTarget }) => optional(currentTarget.value, currentTarget.valueAsNumber)}
      />
    );
  }
  if (schema.type === 'string') {
    const text = typeof value === 'string' ? value : '';
    const long = (schema.maxLength ?? 10_000) > 200;
    const common = {
      id,
      required,
      minLength: schema.minLength,
      maxLength: schema.maxLength,
      value: text,
    };
    return long ? (
      <textarea
        {...common}
        rows={4}
        onInput={({ currentTarget }) => optional(currentTarget.value, currentTarget.value)}
      />
    ) : (
      <input
        {...common}
        onInput={({ currentTarget }) => optional(currentTarget.value, currentTarget.value)}
      />
    );
  }
  return <JsonField id={id} value={value} onChange={onChange} />;
}

/** Text that is JSON when it is; what is not, is told and not taken. */
function JsonField(props: {
  readonly id: string;
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
}) {
  const [text, setText] = useState(() => JSON.stringify(props.value, null, 2) ?? '');
  const [bad, setBad] = useState(false);
  return (
    <>
      <textarea
        id={props.id}
        class="code"
        rows={4}
        aria-invalid={bad}
        value={text}
        onInput={({ currentTarget }) => {
          setText(currentTarget.value);
          try {
            props.onChange(
              currentTarget.value.trim() === '' ? undefined : JSON.parse(currentTarget.value),
            );
            setBad(false);
          } catch {
            setBad(true);
          }
        }}
      />
      {bad && <p class="mark">This is not JSON yet.</p>}
    </>
  );
}
