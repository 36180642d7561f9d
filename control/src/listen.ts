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
    options: { hostname: string; port: number; onListen(): void },
    handler: Handler,
  ): { readonly addr: { readonly port: number }; shutdown(): Promise<void> };
}

const DRAIN_MS = 10_000;

export async function listen(fetch: Handler, hostname: string, port: number): Promise<Listening> {
  const { Deno } = globalThis as { readonly Deno?: Deno };
  return Deno ? onDeno(Deno, fetch, hostname, port) : onBun(fetch, hostname, port);
}

function onBun(fetch: Handler, hostname: string, port: number): Listening {
  const server = Bun.serve({
    hostname,
    port,
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

function onDeno(deno: Deno, fetch: Handler, hostname: string, port: number): Listening {
  const server = deno.serve({ hostname, port, onListen() {} }, fetch);
  // Whatever still runs after that ends with the process.
  return { port: server.addr.port, stop: () => drained(server.shutdown()) };
}

async function drained(stopped: Promise<unknown>): Promise<void> {
  const late = new Promise<void>((resolve) => setTimeout(resolve, DRAIN_MS).unref());
  await Promise.race([stopped, late]);
}
