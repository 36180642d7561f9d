/**
 * Sends metrics to an OpenTelemetry collector (OTLP over HTTP) when the environment names one. Without one
 * nothing is kept and nothing is sent.
 */
import { metrics } from '@opentelemetry/api';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';

export interface Telemetry {
  /** Sends what was measured, and nothing after that. */
  close(): Promise<void>;
}

/**
 * Before anything asks for a meter.
 * @param endpoint base URL of the collector, such as `http://127.0.0.1:4318`
 */
export function startMetrics(endpoint: string, everyMs = 60_000): Telemetry {
  const exporter = new OTLPMetricExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/metrics` });
  const provider = new MeterProvider({
    resource: resourceFromAttributes({ 'service.name': 'portarium-control' }),
    readers: [
      new PeriodicExportingMetricReader({
        exporter,
        exportIntervalMillis: everyMs,
        exportTimeoutMillis: Math.min(everyMs, 10_000),
      }),
    ],
  });
  metrics.setGlobalMeterProvider(provider);
  return {
    async close() {
      // A collector that is away takes nothing along with it.
      await provider.shutdown().catch(() => undefined);
      metrics.disable();
    },
  };
}
