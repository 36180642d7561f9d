import { expect, test } from 'bun:test';
import { neverOpened } from '@portarium/contracts/network';
import { checkAddress, parseAddress, specialAddresses } from './address.ts';

const SPECIAL: Readonly<Record<string, string>> = {
  '0.0.0.0': 'unspecified',
  '0.1.2.3': 'unspecified',
  '10.0.0.1': 'private',
  '100.64.0.1': 'carrier-grade',
  '100.127.255.255': 'carrier-grade',
  '100.100.100.200': 'metadata',
  '127.0.0.1': 'loopback',
  '127.255.255.254': 'loopback',
  '168.63.129.16': 'metadata',
  '169.254.0.1': 'link-local',
  '169.254.169.254': 'metadata',
  '172.16.0.1': 'private',
  '172.31.255.255': 'private',
  '192.0.0.1': 'reserved',
  '192.0.2.1': 'documentation',
  '192.88.99.1': 'reserved',
  '192.168.255.255': 'private',
  '198.18.0.1': 'benchmarks',
  '198.19.255.255': 'benchmarks',
  '198.51.100.7': 'documentation',
  '203.0.113.7': 'documentation',
  '224.0.0.1': 'multicast',
  '239.255.255.255': 'multicast',
  '240.0.0.1': 'reserved',
  '255.255.255.255': 'broadcast',
  '::': 'unspecified',
  '::1': 'loopback',
  '::8.8.8.8': 'IPv4-compatible',
  '::ffff:127.0.0.1': 'IPv4-mapped',
  '::ffff:8.8.8.8': 'IPv4-mapped',
  '::ffff:0:8.8.8.8': 'IPv4-translated',
  '64:ff9b::8.8.8.8': 'NAT64',
  '64:ff9b:1::1': 'NAT64',
  '100::1': 'reserved',
  '2001::1': 'Teredo',
  '2001:10::1': 'reserved',
  '2001:db8::1': 'documentation',
  '2002:7f00:1::': '6to4',
  '3fff::1': 'documentation',
  '5f00::1': 'reserved',
  '2606:4700::5efe:8.8.8.8': 'ISATAP',
  '2606:4700::200:5efe:808:808': 'ISATAP',
  'fc00::1': 'unique local',
  'fd12:3456::1': 'unique local',
  'fd00:ec2::254': 'metadata',
  'fe80::1': 'link-local',
  'febf::1': 'link-local',
  'fec0::1': 'site-local',
  'ff02::1': 'multicast',
};

test('every special address is refused by name of its kind', () => {
  for (const [address, kind] of Object.entries(SPECIAL)) {
    const decision = checkAddress(address, []);
    expect([address, decision.ok ? 'allowed' : decision.reason]).toEqual([
      address,
      expect.stringContaining(kind),
    ]);
  }
});

test('public addresses beside special blocks pass', () => {
  for (const address of [
    '1.1.1.1',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.1',
    '169.253.255.255',
    '172.15.255.255',
    '172.32.0.0',
    '192.167.255.255',
    '198.20.0.0',
    '223.255.255.255',
    '2606:4700:4700::1111',
    '2a00:1450:4001:800::200e',
    '2001:4860:4860::8888',
  ]) {
    expect([address, checkAddress(address, [])]).toEqual([address, { ok: true }]);
  }
});

test('an opened network lets its own addresses pass and no others', () => {
  expect(checkAddress('127.0.0.9', ['loopback']).ok).toBe(true);
  expect(checkAddress('::1', ['loopback']).ok).toBe(true);
  expect(checkAddress('10.0.0.1', ['loopback']).ok).toBe(false);
  expect(checkAddress('10.1.2.3', ['10.1.0.0/16']).ok).toBe(true);
  expect(checkAddress('10.2.0.1', ['10.1.0.0/16']).ok).toBe(false);
  expect(checkAddress('fd12::9', ['fd12::/64']).ok).toBe(true);
});

test('what may never be opened stays closed under the widest networks', () => {
  const all = ['0.0.0.0/0', '::/0', 'loopback'];
  for (const address of [
    '169.254.169.254',
    '169.254.1.1',
    '100.100.100.200',
    '168.63.129.16',
    'fd00:ec2::254',
    'fe80::1',
    '0.0.0.0',
    '::',
    '224.0.0.1',
    'ff02::1',
    '255.255.255.255',
    '::ffff:169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    '2606:4700::5efe:169.254.169.254',
    '2001:0:a9fe:a9fe::1',
  ]) {
    expect([address, checkAddress(address, all).ok]).toEqual([address, false]);
  }
  expect(checkAddress('64:ff9b::8.8.8.8', ['64:ff9b::/96']).ok).toBe(true);
  expect(checkAddress('64:ff9b::10.0.0.1', ['64:ff9b::/96']).ok).toBe(false);
});

test('the host’s own address and broken networks open nothing', () => {
  const own = new Set(['203.1.2.3']);
  expect(checkAddress('203.1.2.3', [], own).ok).toBe(false);
  expect(checkAddress('203.1.2.3', ['203.1.2.0/24'], own).ok).toBe(true);
  for (const network of ['10.0.0.0/33', '10.0.0.0', 'private', '', '/8', '10.0.0.0/-1']) {
    expect(checkAddress('10.0.0.1', [network]).ok).toBe(false);
  }
});

test('only plain addresses are parsed', () => {
  for (const text of [
    '',
    '1.2.3',
    '0x7f.1',
    '01.2.3.4',
    'fe80::1%eth0',
    '[::1]',
    'localhost',
    '1.2.3.4.',
  ]) {
    expect([text, parseAddress(text)]).toEqual([text, undefined]);
    expect(checkAddress(text, ['0.0.0.0/0', '::/0']).ok).toBe(false);
  }
  expect(parseAddress('1::2')).toEqual(
    Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2),
  );
});

test('what can never be opened is never granted either, as far as rules name it', () => {
  for (const { block, closed } of specialAddresses()) {
    const [address = ''] = block.split('/');
    const host = address.includes(':') ? `[${address}]` : address;
    if (closed) expect([block, neverOpened(host)]).toEqual([block, expect.any(String)] as never);
  }
  for (const host of ['127.0.0.1', '10.0.0.5', '100.100.100.201', '[fd00::5]', 'localhost']) {
    expect([host, neverOpened(host)]).toEqual([host, undefined]);
  }
});
