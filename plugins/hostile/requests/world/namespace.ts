/**
 * A network of its own for one process and its children: no route out, and every address there is, special
 * ones included, belongs to this machine. Linux only; without namespaces there is a reason instead.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where the name server of the private network listens. */
export const NAME_SERVER = '127.0.0.1';

/** Special addresses that stand on an interface of their own, as a cloud machine’s would. */
export const ON_INTERFACE = {
  ipv4: ['10.0.0.5', '172.16.0.5', '192.168.1.1', '100.64.0.1', '169.254.169.254', '93.184.215.20'],
  ipv6: ['fd00::5', 'fd00:ec2::254', '64:ff9b::a00:5', '2002:a00:5::1', '2606:2800:21f::20'],
} as const;

const OPTIONS = ['--net', '--mount', '--propagation', 'private'] as const;

/** Arguments of `unshare` for this user; a user without rights gets them in a namespace of users. */
function unshareArguments(): readonly string[] {
  return process.getuid?.() === 0 ? OPTIONS : ['--user', '--map-root-user', ...OPTIONS];
}

/** Why there can be no private network here, or undefined. */
export function namespaceProblem(): string | undefined {
  if (process.platform !== 'linux')
    return `network namespaces are Linux’s, this is ${process.platform}`;
  const script = 'ip link set lo up && ip link show lo >/dev/null';
  const tried = spawnSync('unshare', [...unshareArguments(), 'sh', '-c', script], {
    encoding: 'utf8',
  });
  if (tried.status === 0) return undefined;
  const why = tried.error?.message ?? tried.stderr.trim().split('\n')[0] ?? 'no reason given';
  return `no network namespace can be made here: ${why}`;
}

/** The command line that runs `command` in a private network; the network is made by `enterNetwork`. */
export function inNamespace(command: readonly string[]): string[] {
  return ['unshare', ...unshareArguments(), ...command];
}

/** Builds the network around this process, which has to stand in a namespace already. */
/** @param folder for files that stand in for the machine’s own */
export function enterNetwork(folder: string): void {
  const ip = (...argv: string[]) =>
    execFileSync('ip', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  ip('link', 'set', 'lo', 'up');
  try {
    ip('link', 'add', 'trap0', 'type', 'dummy');
  } catch {
    // A kernel without dummies: a bridge that nothing is plugged into does the same.
    ip('link', 'add', 'trap0', 'type', 'bridge');
  }
  ip('link', 'set', 'trap0', 'up');
  for (const address of ON_INTERFACE.ipv4) ip('address', 'add', `${address}/32`, 'dev', 'trap0');
  for (const address of ON_INTERFACE.ipv6) {
    ip('-6', 'address', 'add', `${address}/128`, 'dev', 'trap0', 'nodad');
  }
  // Everything else is this machine as well: whatever a broker connects to, a listener is there.
  ip('route', 'add', 'local', '0.0.0.0/0', 'dev', 'lo');
  ip('-6', 'route', 'add', 'local', '::/0', 'dev', 'lo');
  const files = {
    '/etc/resolv.conf': `nameserver ${NAME_SERVER}\noptions timeout:1 attempts:1\n`,
    '/etc/hosts': '127.0.0.1 localhost\n::1 localhost\n',
  };
  for (const [place, text] of Object.entries(files)) {
    const file = join(folder, place.replaceAll('/', '-'));
    writeFileSync(file, text);
    execFileSync('mount', ['--bind', file, realpathSync(place)]);
  }
}
