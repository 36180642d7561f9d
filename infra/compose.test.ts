import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { YAML } from 'bun';

const root = join(import.meta.dirname, '..');
const parse = (path: string) => YAML.parse(readFileSync(join(root, path), 'utf8')) as never;

interface Service {
  readonly image?: string;
  readonly ports?: readonly string[];
  readonly profiles?: unknown;
  readonly healthcheck?: unknown;
  readonly restart?: string;
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}
const compose = parse('docker-compose.yml') as {
  readonly services: Readonly<Record<string, Service>>;
};

test('docker-compose.yml has every service of the baseline, without profiles', () => {
  const names = Object.keys(compose.services);
  for (const name of [
    'evidence-db',
    'temporal',
    'evidence-store',
    'vault',
    'otel-collector',
    'tempo',
    'grafana',
    'prometheus',
    'loki',
    'nats',
  ]) {
    expect(names).toContain(name);
  }
  for (const service of Object.values(compose.services)) expect(service.profiles).toBeUndefined();
});

test('every long-lived service has a pinned image, a health check and ports on loopback only', () => {
  for (const [name, service] of Object.entries(compose.services)) {
    expect([name, /:[\w.-]*\d[\w.-]*(@sha256:[0-9a-f]{64})?$/.test(service.image ?? '')]).toEqual([
      name,
      true,
    ]);
    for (const port of service.ports ?? [])
      expect([name, port.startsWith('127.0.0.1:')]).toEqual([name, true]);
    if (name.endsWith('-setup')) continue;
    expect([name, service.healthcheck !== undefined]).toEqual([name, true]);
  }
});

test('Tempo answers on 3200 and Grafana on 3100, and every mounted file is there', () => {
  expect(compose.services.tempo?.ports?.some((port) => port.startsWith('127.0.0.1:3200:'))).toBe(
    true,
  );
  expect(compose.services.grafana?.ports?.some((port) => port.startsWith('127.0.0.1:3100:'))).toBe(
    true,
  );
  for (const service of Object.values(compose.services)) {
    for (const volume of service.volumes ?? []) {
      const source = volume.split(':')[0] ?? '';
      if (source.startsWith('./'))
        expect(readFileSync(join(root, source)).length).toBeGreaterThan(0);
    }
  }
});

test('the collector hashes the tenant and drops personal data before anything is exported', () => {
  const collector = parse('infra/otel/collector-config.yaml') as {
    processors: Record<string, { actions?: { key?: string; pattern?: string; action: string }[] }>;
    service: { pipelines: Record<string, { processors: string[] }> };
  };
  const actions = collector.processors['attributes/redact']?.actions ?? [];
  const of = (key: string) => actions.find((action) => action.key === key)?.action;
  expect([of('tenant.id'), of('user.email'), of('user.ip')]).toEqual(['hash', 'delete', 'delete']);
  for (const pipeline of Object.values(collector.service.pipelines)) {
    if (pipeline.processors.length > 0) expect(pipeline.processors).toContain('memory_limiter');
  }
  expect(collector.service.pipelines.traces?.processors).toContain('attributes/redact');
});
