/**
 * CIDR blocks that an administrator may open. Parses addresses by itself, because the browser has
 * no `node:net`; which single address may be reached is the broker's to decide.
 */

export interface Block {
  /** 4 or 16 bytes, those beyond `bits` zero. */
  readonly bytes: readonly number[];
  readonly bits: number;
}

/** Never opened to a guest (RFC 6890; metadata services stand in link-local). */
const CLOSED: readonly (readonly [kind: string, block: Block])[] = [
  ['unspecified addresses (0.0.0.0/8)', block([0, 0, 0, 0], 8)],
  ['link-local and metadata addresses (169.254.0.0/16)', block([169, 254, 0, 0], 16)],
  ['multicast addresses (224.0.0.0/4)', block([224, 0, 0, 0], 4)],
  ['the broadcast address', block([255, 255, 255, 255], 32)],
  ['the unspecified address (::)', block(wide(), 128)],
  ['link-local addresses (fe80::/10)', block(wide(0xfe, 0x80), 10)],
  ['multicast addresses (ff00::/8)', block(wide(0xff), 8)],
];

/** Closed too, but small: a network around one may be opened, and the broker still refuses it. */
const CLOSED_WITHIN: readonly (readonly [kind: string, block: Block])[] = [
  ['addresses of metadata services', block([100, 100, 100, 200], 32)],
  ['addresses of metadata services', block([168, 63, 129, 16], 32)],
  ['addresses of metadata services', block([192, 0, 0, 192], 32)],
  ['addresses of metadata services (fd00:ec2::/32)', block(wide(0xfd, 0x00, 0x0e, 0xc2), 32)],
  ['addresses of metadata services', block(wide(0xfd, 0x20, 0, 0xce, ...zeros(10), 2, 0x54), 128)],
  ['Teredo addresses (2001::/32)', block(wide(0x20, 0x01), 32)],
];

/** IPv6 blocks that hold IPv4 addresses in their last four bytes. */
const EMBEDDING: readonly Block[] = [
  block(wide(...zeros(10), 0xff, 0xff), 96),
  block(wide(...zeros(8), 0xff, 0xff), 96),
  block(wide(0, 0x64, 0xff, 0x9b), 96),
];

/** Why a text is no network that can be opened; undefined when it is one. */
export function networkProblem(text: string): string | undefined {
  if (text === 'loopback') return undefined;
  const parsed = parseNetwork(text);
  if (!parsed) {
    return 'expected "loopback" or a CIDR block such as 10.1.0.0/16 or fd00::/8, with no bits set behind the prefix';
  }
  const closed = closedKind(parsed);
  return closed && `this network holds ${closed}, which can never be opened; name a narrower one`;
}

const LOOPBACK: readonly Block[] = [block([127, 0, 0, 0], 8), block(wide(...zeros(15), 1), 128)];
const PRIVATE: readonly Block[] = [
  block([10, 0, 0, 0], 8),
  block([172, 16, 0, 0], 12),
  block([192, 168, 0, 0], 16),
  block(wide(0xfc), 7),
];

/** Whether `host` of a rule is written as an address of the machine itself; no name is. */
export function isLoopbackHost(host: string): boolean {
  const address = literal(host);
  return address !== undefined && LOOPBACK.some((one) => overlaps(one, address));
}

/**
 * Whether `host` of a rule is `localhost`, or a loopback or private address, that none of `networks` opens. A
 * first look for people: other names, and what else is special, are the broker's to judge.
 */
export function isClosedHost(host: string, networks: readonly string[]): boolean {
  const address = literal(host === 'localhost' ? '127.0.0.1' : host);
  if (!address || ![...LOOPBACK, ...PRIVATE].some((one) => overlaps(one, address))) return false;
  const opened = networks.flatMap((text) =>
    text === 'loopback' ? LOOPBACK : (parseNetwork(text) ?? []),
  );
  return !opened.some((one) => overlaps(one, address));
}

/** What kind of addresses `host` of a rule is among that are never opened, if it is written as one. */
export function neverOpened(host: string): string | undefined {
  const address = literal(host);
  if (address === undefined) return undefined;
  const within = CLOSED_WITHIN.find(([, closed]) => overlaps(closed, address));
  return within?.[0] ?? closedKind(address);
}

/** How `host` of a rule stands as a network that would open it; undefined for a name. */
export function networkOf(host: string): string | undefined {
  if (host === 'localhost' || isLoopbackHost(host)) return 'loopback';
  if (literal(host) === undefined) return undefined;
  return host.startsWith('[') ? `${host.slice(1, -1)}/128` : `${host}/32`;
}

function literal(host: string): Block | undefined {
  const [, v6] = /^\[(.+)\]$/.exec(host) ?? [];
  return parseNetwork(v6 === undefined ? `${host}/32` : `${v6}/128`);
}

function closedKind(network: Block): string | undefined {
  const direct = CLOSED.find(([, closed]) => overlaps(network, closed))?.[0];
  if (direct !== undefined || network.bits <= 96) return direct;
  if (!EMBEDDING.some((block) => overlaps(network, block))) return undefined;
  return closedKind({ bytes: network.bytes.slice(12), bits: network.bits - 96 });
}

/** A CIDR block in lower case whose host bits are zero. */
export function parseNetwork(text: string): Block | undefined {
  const match = /^([0-9a-f.:]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const [address, bits] = [match?.[1] ?? '', Number(match?.[2])];
  const bytes = address.includes(':') ? parseIpv6(address) : parseIpv4(address);
  if (!match || !bytes || bits > bytes.length * 8) return undefined;
  return masked(bytes, bits).every((byte, i) => byte === bytes[i]) ? { bytes, bits } : undefined;
}

function parseIpv4(text: string): number[] | undefined {
  const parts = text.split('.');
  const valid = parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
  return parts.length === 4 && valid ? parts.map(Number) : undefined;
}

function parseIpv6(text: string): number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, i) => groups(half, i === halves.length - 1));
  if (!head || (halves.length === 2 && !tail)) return undefined;
  const missing = 16 - head.length - (tail?.length ?? 0);
  if (tail ? missing < 2 : missing !== 0) return undefined;
  return [...head, ...zeros(missing), ...(tail ?? [])];
}

function groups(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    const dotted = last && index === parts.length - 1 ? parseIpv4(part) : undefined;
    if (!dotted && !/^[0-9a-f]{1,4}$/.test(part)) return undefined;
    const group = Number.parseInt(part, 16);
    bytes.push(...(dotted ?? [group >> 8, group & 0xff]));
  }
  return bytes;
}

/** Two blocks share an address when the shorter prefix is a prefix of both. */
function overlaps(a: Block, b: Block): boolean {
  const bits = Math.min(a.bits, b.bits);
  const other = masked(b.bytes, bits);
  return (
    a.bytes.length === b.bytes.length && masked(a.bytes, bits).every((byte, i) => byte === other[i])
  );
}

function masked(bytes: readonly number[], bits: number): number[] {
  return bytes.map((byte, i) => {
    const keep = Math.max(0, Math.min(8, bits - 8 * i));
    return byte & (0xff << (8 - keep)) & 0xff;
  });
}

function block(bytes: readonly number[], bits: number): Block {
  return { bytes, bits };
}

/** Sixteen bytes that begin with these. */
function wide(...head: readonly number[]): number[] {
  return [...head, ...zeros(16 - head.length)];
}

function zeros(count: number): number[] {
  return new Array<number>(count).fill(0);
}
