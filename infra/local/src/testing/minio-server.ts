/**
 * A real MinIO on loopback for tests, built from its Go module: the one S3 server that may be had whose
 * Object Lock refuses all that the lock battery tries. Nothing but tests starts it.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveServerBinary } from '../binaries/resolve-binary.ts';
import type { ServerBinary } from '../binaries/server-binary.ts';
import { randomFreePort } from '../free-ports.ts';
import { withDeathSignal } from '../process/death-signal.ts';

/** The last commit of its community edition; the project tags no module versions. */
export const MINIO_SERVER: ServerBinary = {
  name: 'minio',
  version: '0.0.0-20260212201848-7aac2a2c5b7c',
  pathVariable: 'PORTARIUM_MINIO_BIN',
  versionPattern: /commit-id=7aac2a2c5b7c/,
  goPackage: 'github.com/minio/minio',
  goModule: 'github.com/minio/minio',
  goVersionVariable: 'github.com/minio/minio/cmd.CommitID=7aac2a2c5b7c',
  buildTakes: 'about 6 minutes on two cores, once',
  releases: {},
};

const READY_MS = 60_000;

export interface MinioServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, or `https` with a certificate. */
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** Folder with what it keeps. */
  readonly data: string;
  /** Ends it at once, as a power failure would. */
  kill(): Promise<void>;
  /** Starts it again at the same address. */
  start(): Promise<void>;
}

/** @param certificates folder with `public.crt` and `private.key`: it then speaks TLS only */
export async function startMinioServer(certificates?: string): Promise<MinioServer> {
  const { path } = await resolveServerBinary(MINIO_SERVER);
  const data = await mkdtemp(join(tmpdir(), 'portarium-minio-'));
  const address = `127.0.0.1:${await randomFreePort()}`;
  const accessKey = 'portarium-test';
  const secretKey = randomBytes(20).toString('hex');
  const certs = certificates ?? join(data, 'no-certificates');
  const args = ['server', '--quiet', '--address', address, '--certs-dir', certs, data];
  const command = withDeathSignal(path, args, 'KILL');
  let child: ReturnType<typeof spawn> | undefined;
  const endpoint = `${certificates === undefined ? 'http' : 'https'}://${address}`;

  async function start(): Promise<void> {
    child = spawn(command.file, command.args, {
      stdio: 'ignore',
      env: {
        HOME: data,
        MINIO_ROOT_USER: accessKey,
        MINIO_ROOT_PASSWORD: secretKey,
        MINIO_BROWSER: 'off',
        MINIO_UPDATE: 'off',
      },
    });
    const until = Date.now() + READY_MS;
    while (!(await isReady(endpoint))) {
      if (child.exitCode !== null || Date.now() > until) throw new Error('MinIO did not start');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async function kill(): Promise<void> {
    const running = child;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const gone = new Promise((resolve) => running.once('close', resolve));
    running.kill('SIGKILL');
    await gone;
  }

  await start();
  return {
    ...{ endpoint, accessKey, secretKey, data, kill, start },
    async [Symbol.asyncDispose]() {
      await kill();
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** Without `verify`: whoever tests TLS checks the certificate by its own client. */
async function isReady(endpoint: string): Promise<boolean> {
  try {
    const answer = await fetch(`${endpoint}/minio/health/cluster`, {
      tls: { rejectUnauthorized: false },
      signal: AbortSignal.timeout(2_000),
    });
    return answer.ok;
  } catch {
    return false;
  }
}
