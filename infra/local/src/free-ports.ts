/**
 * Chooses loopback ports and keeps them in the data folder, so that a resumed stack answers where
 * it did before. Ports lie below the ephemeral range: no outgoing connection can sit on one while
 * its server restarts.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import * as v from 'valibot';
import { readJsonFile, writeFileAtomically } from './atomic-file.ts';
import { LocalStackError } from './local-stack-error.ts';

export const PORT_NAMES = [
  'http',
  'postgres',
  'temporal',
  'nats',
  'natsMonitor',
  'sandboxHealth',
] as const;
export type PortName = (typeof PORT_NAMES)[number];
export type Ports = Readonly<Record<PortName, number>>;

/** Where the Control Plane listens when the port is free (operations.md). */
export const PREFERRED_HTTP_PORT = 3000;

const LOWEST = 20_000;
const HIGHEST = 29_999;

const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
const PortsSchema = v.object({
  http: port,
  postgres: port,
  temporal: port,
  nats: port,
  natsMonitor: port,
  sandboxHealth: port,
});

/** Whether 127.0.0.1:`number` can be listened on now. */
export function isPortFree(number: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port: number, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => resolve(true));
    });
  });
}

/** A free loopback port outside of the ephemeral range. @throws LocalStackError `port-taken` */
export async function randomFreePort(taken: ReadonlySet<number> = new Set()): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const candidate = randomInt(LOWEST, HIGHEST + 1);
    if (!taken.has(candidate) && (await isPortFree(candidate))) return candidate;
  }
  throw new LocalStackError(
    'port-taken',
    `No free port was found between ${LOWEST} and ${HIGHEST}. Stop what listens there.`,
  );
}

/** What a start asks of its ports. */
export interface PortWishes {
  /** `0` asks for any free one. */
  readonly wanted: Partial<Record<PortName, number>>;
  /** Ports that something else of this start will take. */
  readonly reserved?: readonly number[];
}

/**
 * The ports of this start. A wanted port must be free; `0` asks for any. Otherwise the port of the
 * last start is kept when it is free; otherwise HTTP tries 3000, and the rest take any.
 * @throws LocalStackError `port-taken`
 */
export async function choosePorts(
  file: string,
  { wanted, reserved = [] }: PortWishes,
): Promise<Ports> {
  const before = readJsonFile(file, PortsSchema);
  const chosen: Record<PortName, number> = {
    http: 0,
    postgres: 0,
    temporal: 0,
    nats: 0,
    natsMonitor: 0,
    sandboxHealth: 0,
  };
  const taken = new Set<number>(reserved);
  for (const name of PORT_NAMES) {
    const asked = wanted[name];
    if (asked !== undefined && asked !== 0) {
      if (taken.has(asked) || !(await isPortFree(asked))) {
        throw new LocalStackError(
          'port-taken',
          `Port ${asked} (${name}) on 127.0.0.1 is taken. Stop what listens there, or choose another port.`,
        );
      }
      chosen[name] = asked;
    } else {
      const preferred =
        before?.[name] ?? (name === 'http' && asked !== 0 ? PREFERRED_HTTP_PORT : 0);
      const usable = preferred !== 0 && !taken.has(preferred) && (await isPortFree(preferred));
      chosen[name] = usable ? preferred : await randomFreePort(taken);
    }
    taken.add(chosen[name]);
  }
  writeFileAtomically(file, `${JSON.stringify(chosen, null, 2)}\n`);
  return chosen;
}
