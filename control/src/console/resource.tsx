/** Something that is loaded: shown as it was while it is loaded again, and with its failure. */
import { PortariumError } from '@portarium/client/portarium-error';
import type { ComponentChildren } from 'preact';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';

export interface Resource<T> {
  readonly value: T | undefined;
  readonly error: Error | undefined;
  readonly reload: () => void;
}

/** @param deps what `load` depends on; another value loads anew */
export function useResource<T>(load: () => Promise<T>, deps: readonly unknown[]): Resource<T> {
  const [state, setState] = useState<{ value?: T; error?: Error; of?: string }>({});
  const latest = useRef(load);
  latest.current = load;
  const round = useRef(0);
  const of = JSON.stringify(deps);
  const reload = useCallback(() => {
    const own = ++round.current;
    latest.current().then(
      (value) => own === round.current && setState({ value, of }),
      (error) =>
        own === round.current &&
        setState((before) => ({
          ...before,
          error: error instanceof Error ? error : new Error(String(error)),
          of,
        })),
    );
  }, [of]);
  useEffect(reload, [reload]);
  // What belongs to another address is not shown under this one.
  const current = state.of === of ? state : {};
  return { value: current.value, error: current.error, reload };
}

/** Shows what was loaded, that it is on its way, or why it is not there. */
export function Loaded<T>(props: {
  readonly from: Resource<T>;
  readonly children: (value: T) => ComponentChildren;
}) {
  const { value, error, reload } = props.from;
  return (
    <>
      {error && <Failure error={error} retry={reload} />}
      {value === undefined
        ? !error && (
            <p class="quiet" role="status">
              Loading…
            </p>
          )
        : props.children(value)}
    </>
  );
}

export function Failure(props: { readonly error: Error; readonly retry?: () => void }) {
  const { error, retry } = props;
  const known = error instanceof PortariumError ? error : undefined;
  return (
    <div class="notice bad" role="alert">
      <p>{known ? known.detail : error.message}</p>
      {known?.hint && <p>{known.hint}</p>}
      {known?.errors?.map(({ pointer, message }) => (
        <p key={pointer}>
          <code>{pointer || '/'}</code> {message}
        </p>
      ))}
      {known?.trace && <p class="quiet">trace {known.trace}</p>}
      {retry && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}
