/** How an attempt can end, as far as whoever dispatched it has to know. */

export type AttemptEnd =
  /** The action is in a state that this dispatch need not change. */
  | { readonly kind: 'finished'; readonly state: string }
  /** Another attempt has to follow. */
  | { readonly kind: 'again'; readonly reason: string; readonly retryAfterMs?: number }
  /** A newer attempt holds the action. */
  | { readonly kind: 'superseded' }
  /** Asking again can not help: the request itself is refused. */
  | { readonly kind: 'refused'; readonly reason: string };
