import type { Action, Plugin } from '@portarium/client/answers';
import { useState } from 'preact/hooks';
import { Failure } from '../resource.tsx';
import { hrefOf, navigate } from '../router.ts';
import { useSession } from '../session.ts';
import { Badge } from './badge.tsx';
import { type JsonSchema, SchemaForm, startOf } from './schema-form.tsx';

interface Operation {
  readonly name: string;
  readonly effect: string;
  readonly encoding?: string;
  readonly input?: JsonSchema;
  readonly examples?: readonly { readonly input: unknown }[];
}

/** Held for a read's answer, in seconds; a write waits for people anyway. */
const WAIT_SECONDS = 10;

/** Asks for an action, with a form that is made from the operation's schema. */
export function TryForm({ plugin }: { readonly plugin: Plugin }) {
  const { client, workspace } = useSession();
  const manifest = plugin.manifest as { operations?: readonly Operation[] } | undefined;
  const operations = manifest?.operations ?? [];
  const [name, setName] = useState(operations[0]?.name ?? '');
  const operation = operations.find((one) => one.name === name) ?? operations[0];
  const [input, setInput] = useState<unknown>(() => firstInput(operation));
  const [raw, setRaw] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error>();
  if (!operation) return <p class="quiet">It has no operations.</p>;
  const choose = (wanted: string) => {
    setName(wanted);
    setRaw(undefined);
    setInput(firstInput(operations.find((one) => one.name === wanted)));
  };
  const run = async (dryRun: boolean) => {
    setBusy(true);
    setError(undefined);
    try {
      const action: Action = await client.actions.create(
        {
          plugin: `${plugin.name}@${plugin.version}`,
          operation: operation.name,
          input: raw === undefined ? input : JSON.parse(raw),
          ...(dryRun ? { dryRun } : {}),
        },
        { waitSeconds: WAIT_SECONDS },
      );
      navigate(hrefOf(workspace, 'actions', action.id));
    } catch (caught) {
      setError(caught instanceof Error ? caught : new Error(String(caught)));
    }
    setBusy(false);
  };
  return (
    <form
      class="try"
      onSubmit={(event) => {
        event.preventDefault();
        run(false);
      }}
    >
      <label>
        Operation
        <select value={operation.name} onChange={(event) => choose(event.currentTarget.value)}>
          {operations.map((one) => (
            <option key={one.name} value={one.name}>
              {one.name}
            </option>
          ))}
        </select>
      </label>{' '}
      <Badge of={operation.effect} />
      {raw === undefined ? (
        <SchemaForm schema={operation.input ?? {}} value={input} onChange={setInput} />
      ) : (
        <label>
          Input as JSON
          <textarea
            rows={8}
            class="code"
            value={raw}
            onInput={(event) => setRaw(event.currentTarget.value)}
          />
        </label>
      )}
      <p class="buttons">
        <button type="submit" class="main" disabled={busy}>
          {busy ? 'Asking…' : 'Ask for the action'}
        </button>
        {operation.effect !== 'read' && (
          <button type="button" class="plain" disabled={busy} onClick={() => run(true)}>
            Run it dry
          </button>
        )}
        <button
          type="button"
          class="plain"
          onClick={() => setRaw(raw === undefined ? JSON.stringify(input, null, 2) : undefined)}
        >
          {raw === undefined ? 'Write the input as JSON' : 'Back to the form'}
        </button>
      </p>
      {operation.effect !== 'read' && (
        <p class="quiet">It has an effect: somebody else has to agree before anything is sent.</p>
      )}
      {error && <Failure error={error} />}
    </form>
  );
}

function firstInput(operation: Operation | undefined): unknown {
  return operation?.examples?.[0]?.input ?? startOf(operation?.input ?? {});
}
