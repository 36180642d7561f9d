/**
 * Sends spans to an OpenTelemetry collector (OTLP over HTTP) when the environment names one by the
 * variables of OpenTelemetry itself. Without one nothing is kept and nothing is sent.
 */
import { trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

export interface Telemetry {
  /** Sends what is waiting, and nothing after that. */
  close(): Promise<void>;
}

/** @param endpoint base URL of the collector, such as `http://127.0.0.1:4318` */
export function startTelemetry(endpoint: string): Telemetry {
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'portarium-sandbox' }),
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  });
  trace.setGlobalTracerProvider(provider);
  return {
    async close() {
      // A collector that is away takes nothing along with it.
      await provider.shutdown().catch(() => undefined);
      trace.disable();
    },
  };
}
