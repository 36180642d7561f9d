/**
 * Which addresses a guest's request may connect to. Everything that is not plainly public is
 * refused, unless an administrator opened its network; some can never be opened.
 * Sources: the IANA special-purpose registries (RFC 6890), cloud vendors' metadata addresses.
 */
import { isIP } from 'node:net';

export type AddressDecision =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string };

interface Block {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

interface SpecialBlock extends Block {
  readonly cidr: string;
  readonly category: string;
  /** Never opened, whatever networks say. */
  readonly closed: boolean;
  /** Offset of an IPv4 address inside, which has to pass the check too. */
  readonly embedded: number | undefined;
}

/** The first block that holds an address decides, so narrow blocks stand before wide ones. */
const SPECIAL: readonly SpecialBlock[] = [
  closed('169.254.169.254/32', 'a metadata service'),
  closed('100.100.100.200/32', 'a metadata service'),
  closed('168.63.129.16/32', 'a metadata service'),
  closed('192.0.0.192/32', 'a metadata service'),
  closed('fd00:ec2::/32', 'a metadata service'),
  closed('fd20:ce::254/128', 'a metadata service'),
  closed('169.254.0.0/16', 'link-local'),
  closed('fe80::/10', 'link-local'),
  closed('0.0.0.0/8', 'unspecified'),
  closed('::/128', 'unspecified'),
  closed('224.0.0.0/4', 'multicast'),
  closed('ff00::/8', 'multicast'),
  closed('255.255.255.255/32', 'broadcast'),
  // Holds IPv4 addresses, one of them disguised; nobody needs it any more.
  closed('2001::/32', 'Teredo'),
  open('127.0.0.0/8', 'loopback'),
  open('::1/128', 'loopback'),
  open('10.0.0.0/8', 'private'),
  open('172.16.0.0/12', 'private'),
  open('192.168.0.0/16', 'private'),
  open('fc00::/7', 'private (unique local)'),
  open('100.64.0.0/10', 'shared (carrier-grade NAT)'),
  open('fec0::/10', 'site-local'),
  open('192.0.0.0/24', 'reserved'),
  open('192.0.2.0/24', 'reserved for documentation'),
  open('198.51.100.0/24', 'reserved for documentation'),
  open('203.0.113.0/24', 'reserved for documentation'),
  open('192.88.99.0/24', 'reserved (6to4 relay)'),
  open('198.18.0.0/15', 'reserved for benchmarks'),
  open('240.0.0.0/4', 'reserved'),
  open('::ffff:0:0/96', 'IPv4-mapped', 12),
  open('::ffff:0:0:0/96', 'IPv4-translated', 12),
  open('::/96', 'IPv4-compatible', 12),
  open('64:ff9b::/96', 'NAT64', 12),
  open('64:ff9b:1::/48', 'NAT64', 12),
  open('2002::/16', '6to4', 2),
  open('2001::/23', 'reserved'),
  open('2001:db8::/32', 'reserved for documentation'),
  open('3fff::/20', 'reserved for documentation'),
];

/** What is refused unless it is opened, for whoever explains it. */
export function specialAddresses() {
  return SPECIAL.map(({ cidr, category, closed }) => ({ block: cidr, category, closed }));
}

const GLOBAL_IPV6 = block('2000::/3');

const NAMED_NETWORKS: Readonly<Record<string, readonly Block[]>> = {
  loopback: [block('127.0.0.0/8'), block('::1/128')],
};

/**
 * @param networks `loopback` or CIDR blocks that an administrator opened; others open nothing
 * @param own addresses of this host, refused like private ones
 */
export function checkAddress(
  address: string,
  networks: readonly string[],
  own: ReadonlySet<string> = new Set(),
): AddressDecision {
  const bytes = parseAddress(address);
  if (!bytes) return { ok: false, reason: `${address} is not an address` };
  const opened = networks.flatMap(
    (network) => NAMED_NETWORKS[network] ?? parseBlock(network) ?? [],
  );
  return decide(bytes, address, opened, own.has(address));
}

function decide(
  bytes: Uint8Array,
  shown: string,
  opened: readonly Block[],
  own: boolean,
): AddressDecision {
  const special =
    SPECIAL.find((candidate) => inBlock(candidate, bytes)) ?? isatap(bytes) ?? unassigned(bytes);
  if (!special && !own) return { ok: true };
  const category = special?.category ?? 'an address of the sandbox host';
  const isOpened = opened.some((candidate) => inBlock(candidate, bytes));
  if (special?.closed) {
    return { ok: false, reason: `${shown} is ${category}, which can never be opened` };
  }
  if (!isOpened) {
    return {
      ok: false,
      reason: `${shown} is ${category}; an administrator can open its network to this plugin`,
    };
  }
  const at = special?.embedded;
  if (at === undefined) return { ok: true };
  return decide(bytes.subarray(at, at + 4), shown, opened, false);
}

/** Any prefix may carry it: the last eight bytes say that an IPv4 address follows (RFC 5214, section 6.1). */
function isatap(bytes: Uint8Array): SpecialBlock | undefined {
  const [flags, ...mark] = bytes.subarray(8, 12);
  const isMarked = bytes.length === 16 && (flags === 0 || flags === 2) && `${mark}` === '0,94,254';
  return isMarked ? open('::/0', 'ISATAP', 12) : undefined;
}

function unassigned(bytes: Uint8Array): SpecialBlock | undefined {
  if (bytes.length === 4 || inBlock(GLOBAL_IPV6, bytes)) return undefined;
  return open('::/0', 'reserved');
}

/** Whether it is an address of this machine only (`127.0.0.0/8`, `::1`). */
export function isLoopback(address: string): boolean {
  const bytes = parseAddress(address);
  return bytes !== undefined && NAMED_NETWORKS.loopback?.some((b) => inBlock(b, bytes)) === true;
}

/** 4 or 16 bytes; undefined for everything that is not a plain address (no zone, no octal). */
export function parseAddress(text: string): Uint8Array | undefined {
  const family = isIP(text);
  if (family === 4) return Uint8Array.from(text.split('.').map(Number));
  if (family !== 6 || text.includes('%')) return undefined;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const plain = dotted ? `${dotted[1]}${pairs(dotted[2] ?? '')}` : text;
  const [head = '', tail] = plain.split('::');
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const filled = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Uint8Array.from(filled.flatMap((group) => [group >> 8, group & 0xff]));
}

function pairs(dotted: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = dotted.split('.').map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

function parseBlock(cidr: string): Block | undefined {
  const [address = '', length = ''] = cidr.split('/');
  const bytes = parseAddress(address);
  const bits = Number(length);
  if (!bytes || !/^\d{1,3}$/.test(length) || bits > bytes.length * 8) return undefined;
  return { bytes, bits };
}

function block(cidr: string): Block {
  const parsed = parseBlock(cidr);
  if (!parsed) throw new Error(`not a CIDR block: ${cidr}`);
  return parsed;
}

function open(cidr: string, category: string, embedded?: number): SpecialBlock {
  return { ...block(cidr), cidr, category, closed: false, embedded };
}

function closed(cidr: string, category: string): SpecialBlock {
  return { ...block(cidr), cidr, category, closed: true, embedded: undefined };
}

function inBlock({ bytes, bits }: Block, address: Uint8Array): boolean {
  if (bytes.length !== address.length) return false;
  for (let i = 0; i * 8 < bits; i++) {
    const keep = bits - i * 8 >= 8 ? 0xff : (0xff << (8 - (bits - i * 8))) & 0xff;
    if (((bytes[i] ?? 0) & keep) !== ((address[i] ?? 0) & keep)) return false;
  }
  return true;
}
