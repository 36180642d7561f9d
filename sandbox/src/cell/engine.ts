/** The WebAssembly engine behind one small interface, so that a second one can be added. */
import type { CellError, CellLimits, LogLevel } from './messages.ts';

export interface GuestResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** What the journal records for the request, in whole milliseconds, redirects included. */
  readonly ms: number;
}

/** A request that never got an answer: the guest sees status 0 and no body. */
export interface FailedRequest {
  readonly failed: string;
  /** As of a {@link GuestResponse}. */
  readonly ms: number;
}

/** What the guest reaches outside of itself. */
export interface GuestHost {
  log(level: LogLevel, message: string): void;
  request(request: {
    readonly method: string;
    readonly url: string;
    readonly headers: readonly (readonly [string, string])[];
    readonly body: Uint8Array;
  }): GuestResponse | FailedRequest;
}

export type GuestResult = { readonly hostCalls: number } & (
  | { readonly ok: true; readonly output: Uint8Array }
  | { readonly ok: false; readonly code: CellError; readonly message: string }
);

export interface GuestCall {
  readonly export: string;
  readonly input: Uint8Array;
  readonly config: Readonly<Record<string, string>>;
  readonly limits: CellLimits;
  /** What the action's random stream starts from: 64 hexadecimal digits. */
  readonly seed: string;
  /** When the action's clock starts: RFC 3339 UTC with milliseconds. */
  readonly startTime: string;
  readonly host: GuestHost;
}

/** A guest for one attempt. */
export interface ReadyGuest {
  /**
   * Runs one export, once in the instance's life. A loop in the guest never returns: the host kills.
   * Rejects only when the order itself is malformed.
   */
  call(call: GuestCall): Promise<GuestResult>;
}

export interface Engine<Compiled> {
  /** Rejects with the engine's reason when it refuses the bytes. */
  compile(module: Uint8Array, memoryMiB: number): Promise<Compiled>;
  /** Makes everything fresh, as far as that runs no code of the guest: it may happen ahead of need. */
  instantiate(compiled: Compiled): Promise<ReadyGuest>;
}
