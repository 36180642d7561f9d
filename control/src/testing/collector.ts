/** A collector of metrics for tests: takes OTLP over HTTP as JSON and keeps the newest value of each point. */
import { type Listening, listen } from '../listen.ts';

interface Point {
  readonly attributes?: readonly {
    readonly key: string;
    readonly value: { readonly stringValue?: string };
  }[];
  readonly asInt?: string | number;
  readonly asDouble?: number;
}
interface Metric {
  readonly name: string;
  readonly sum?: { readonly dataPoints: readonly Point[] };
  readonly gauge?: { readonly dataPoints: readonly Point[] };
}
interface Export {
  readonly resourceMetrics: readonly {
    readonly scopeMetrics: readonly { readonly metrics: readonly Metric[] }[];
  }[];
}

export interface Collector {
  readonly endpoint: string;
  /** The value of the point with these attributes among others; undefined when there is none. */
  value(name: string, attributes: Readonly<Record<string, string>>): number | undefined;
  stop(): Promise<void>;
}

export async function startCollector(): Promise<Collector> {
  const points = new Map<string, { attributes: Record<string, string>; value: number }[]>();
  const server: Listening = await listen(
    async (request) => {
      const { resourceMetrics } = (await request.json()) as Export;
      const metrics = resourceMetrics.flatMap(({ scopeMetrics }) =>
        scopeMetrics.flatMap((scope) => scope.metrics),
      );
      for (const { name, sum, gauge } of metrics) {
        points.set(
          name,
          (sum ?? gauge)?.dataPoints.map((point) => ({
            attributes: Object.fromEntries(
              (point.attributes ?? []).map(({ key, value }) => [key, value.stringValue ?? '']),
            ),
            value: Number(point.asInt ?? point.asDouble),
          })) ?? [],
        );
      }
      return Response.json({});
    },
    { hostname: '127.0.0.1', port: 0 },
  );
  return {
    endpoint: `http://127.0.0.1:${server.port}`,
    value: (name, wanted) =>
      points
        .get(name)
        ?.find(({ attributes }) =>
          Object.entries(wanted).every(([key, value]) => attributes[key] === value),
        )?.value,
    stop: () => server.stop(),
  };
}
