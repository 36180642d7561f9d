/**
 * Connections that wait for the next read of the same workspace, with the same credential, to the same
 * checked address under the same name. Never lends one to anything else, nor one that a server wrote on unasked.
 */
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { Connection } from './connect.ts';

/** Everything that two requests on one connection have in common. */
export interface Sharing {
  readonly workspace: string;
  readonly credential: { readonly id: string; readonly version: number } | undefined;
  readonly scheme: string;
  /** The address that passed the check. */
  readonly address: string;
  readonly port: number;
  /** What the certificate is checked against. */
  readonly host: string;
  readonly authorities: string | undefined;
}

interface Idle {
  readonly key: string;
  readonly connection: Connection;
  readonly timer: ReturnType<typeof setTimeout>;
  readonly drop: () => void;
}

export class Connections {
  readonly #idleMs: number;
  /** From the one that waits longest to the newest. */
  readonly #idle = new Set<Idle>();

  constructor(idleMs: number = PLATFORM_LIMITS.idleConnectionMs) {
    this.#idleMs = idleMs;
  }

  get size(): number {
    return this.#idle.size;
  }

  /** The one that was used last, which its server is likeliest to still hold open. */
  take(sharing: Sharing): Connection | undefined {
    const key = keyOf(sharing);
    const idle = [...this.#idle].findLast((one) => one.key === key);
    if (!idle) return undefined;
    this.#forget(idle);
    idle.connection.socket.ref();
    return idle.connection;
  }

  /** @param connection on which an answer has ended whole and nothing came after it */
  give(sharing: Sharing, connection: Connection): void {
    const { socket } = connection;
    if (socket.destroyed || !socket.writable) return;
    const key = keyOf(sharing);
    const drop = () => {
      this.#forget(idle);
      socket.destroy();
    };
    const timer = setTimeout(drop, this.#idleMs);
    const idle: Idle = { key, connection, timer, drop };
    this.#idle.add(idle);
    // Whatever comes unasked would be read as the answer to the next request.
    socket.on('data', drop).on('end', drop).on('close', drop);
    socket.resume();
    socket.unref();
    timer.unref?.();
    const own = [...this.#idle].filter((one) => one.key === key);
    if (own.length > PLATFORM_LIMITS.idleConnectionsAlike) own[0]?.drop();
    if (this.#idle.size > PLATFORM_LIMITS.idleConnections) [...this.#idle][0]?.drop();
  }

  close(): void {
    for (const idle of [...this.#idle]) idle.drop();
  }

  #forget(idle: Idle): void {
    this.#idle.delete(idle);
    clearTimeout(idle.timer);
    const { socket } = idle.connection;
    socket.off('data', idle.drop).off('end', idle.drop).off('close', idle.drop);
  }
}

/** Those of this process. */
export const CONNECTIONS = new Connections();

/** A rotated credential keeps its id: what its older secret was sent on is not for the newer one. */
function keyOf({ workspace, credential, authorities, ...where }: Sharing): string {
  const { scheme, address, port, host } = where;
  const used = credential && [credential.id, credential.version];
  return JSON.stringify([workspace, used, scheme, address, port, host, authorities]);
}
