/** Serves a fetch handler on Bun. The one file of this plane that knows the runtime's server. */

export interface Listening {
  readonly port: number;
  /** Refuses new connections, lets running requests end for at most 10 s. */
  stop(): Promise<void>;
}

const DRAIN_MS = 10_000;

export async function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  hostname: string,
  port: number,
): Promise<Listening> {
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
      const drained = server.stop(false);
      const timer = new Promise<void>((resolve) => setTimeout(resolve, DRAIN_MS).unref());
      await Promise.race([drained, timer]);
      await server.stop(true);
    },
  };
}
