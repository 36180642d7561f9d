/** Publishes events to JetStream with their id for deduplication, and waits for the stream's word. */
import { DEDUPLICATION_WINDOW_MS, STREAMS } from '@portarium/contracts/events';
import {
  connect,
  headers,
  type JetStreamClient,
  type JetStreamManager,
  type NatsConnection,
  nanos,
} from 'nats';

export interface EventPublisher {
  /** Resolves once the stream has the message, or had it already. */
  publish(subject: string, id: string, envelope: string): Promise<void>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const PUBLISH_TIMEOUT_MS = 5_000;

/** Connects on first use and again after a loss; rejects while the bus is away. */
export function createPublisher(url: string): EventPublisher {
  let connection: NatsConnection | undefined;
  let stream: JetStreamClient | undefined;

  async function open(): Promise<JetStreamClient> {
    if (stream && connection && !connection.isClosed()) return stream;
    connection = await connect({
      servers: url,
      name: 'portarium-relay',
      timeout: 3_000,
      maxReconnectAttempts: 5,
      reconnectTimeWait: 250,
    });
    await ensureStreams(await connection.jetstreamManager());
    stream = connection.jetstream();
    return stream;
  }

  return {
    async publish(subject, id, envelope) {
      const bus = await open();
      const meta = headers();
      meta.set('Content-Type', 'application/cloudevents+json');
      await bus.publish(subject, new TextEncoder().encode(envelope), {
        msgID: id,
        headers: meta,
        timeout: PUBLISH_TIMEOUT_MS,
      });
    },
    async ping() {
      await open();
      await connection?.flush();
    },
    async close() {
      await connection?.drain().catch(() => undefined);
    },
  };
}

async function ensureStreams(manager: JetStreamManager): Promise<void> {
  for (const [name, { categories, days }] of Object.entries(STREAMS)) {
    const config = {
      name,
      subjects: categories.map((category) => `portarium.events.*.${category}.>`),
      max_age: nanos(days * DAY_MS),
      duplicate_window: nanos(DEDUPLICATION_WINDOW_MS),
      deny_delete: true,
    };
    const exists = await manager.streams.info(name).then(
      () => true,
      () => false,
    );
    if (exists) continue;
    await manager.streams.add(config);
  }
}
