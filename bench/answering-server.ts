/** What `bench egress` asks, by whatever way: answers at once, and knows when the lines of an id arrived. */
const arrivals = new Map<string, number[]>();

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  async fetch(request) {
    const at = performance.now();
    if (request.method === 'GET') {
      const id = new URL(request.url).searchParams.get('id');
      return Response.json(id === null ? { ok: true } : (arrivals.get(id) ?? []));
    }
    const { id } = (await request.json()) as { readonly id: string };
    arrivals.set(id, [...(arrivals.get(id) ?? []), at]);
    return Response.json({ ok: true });
  },
});
console.log(server.port);
