/** Serves a fetch handler. The one file of this plane that knows the runtime's server. */

export interface Listening {
  readonly port: number;
  /** Refuses new connections, lets running requests end for at most 10 s. */
  stop(): Promise<void>;
}

type Handler = (request: Request) => Response | Promise<Response>;

/** Deno's server, as far as it is used. */
interface Deno {
  serve(
    options: { hostname: string; port: number; cert?: string; key?: string; onListen(): void },
    handler: Handler,
  ): { readonly addr: { readonly port: number }; shutdown(): Promise<void> };
}

const DRAIN_MS = 10_000;

/** In PEM. */
export interface Tls {
  readonly cert: string;
  readonly key: string;
}

export interface ListenOptions {
  readonly hostname: string;
  readonly port: number;
  readonly tls?: Tls | undefined;
}

export async function listen(fetch: Handler, options: ListenOptions): Promise<Listening> {
  const { Deno } = globalThis as { readonly Deno?: Deno };
  return Deno ? onDeno(Deno, fetch, options) : onBun(fetch, options);
}

function onBun(fetch: Handler, { hostname, port, tls }: ListenOptions): Listening {
  const server = Bun.serve({
    hostname,
    port,
    ...(tls === undefined ? {} : { tls: { ...tls } }),
    // Longer than the longest `Prefer: wait`.
    idleTimeout: 120,
    // Bodies are bounded route by route, with a problem document; this is only the last net.
    maxRequestBodySize: 1024 * 1024 * 1024,
    fetch: (request) => fetch(request),
  });
  return {
    port: server.port ?? port,
    async stop() {
      await drained(server.stop(false));
      await server.stop(true);
    },
  };
}

function onDeno(deno: Deno, fetch: Handler, { hostname, port, tls }: ListenOptions): Listening {
  const server = deno.serve({ hostname, port, ...tls, onListen() {} }, fetch);
  // Whatever still runs after that ends with the process.
  return { port: server.addr.port, stop: () => drained(server.shutdown()) };
}

async function drained(stopped: Promise<unknown>): Promise<void> {
  const late = new Promise<void>((resolve) => setTimeout(resolve, DRAIN_MS).unref());
  await Promise.race([stopped, late]);
}
