import { expect, test } from 'bun:test';
import { isClosedHost, isLoopbackHost, networkProblem, parseNetwork } from './network.ts';

test('networks that an administrator may open', () => {
  for (const text of [
    'loopback',
    '127.0.0.0/8',
    '::1/128',
    '10.1.0.0/16',
    '192.168.1.7/32',
    '100.64.0.0/10',
    'fd00::/8',
    'fd12:0:0:1::/64',
    '64:ff9b::/96',
    '::ffff:10.0.0.0/104',
    '1:2:3:4:5:6:7:8/128',
  ]) {
    expect([text, networkProblem(text)]).toEqual([text, undefined]);
  }
});

test('what is no CIDR block is refused, and the message shows one', () => {
  for (const text of [
    ...['', 'localhost', '*', '10.1.0.0', '10.1.0.0/', '10.1.0.0/33', '10.1.0.0/-1', '/8'],
    ...[
      '10.1.0/16',
      '10.1.0.0.0/16',
      '010.1.0.0/16',
      '10.256.0.0/16',
      '10.1.0.0/016',
      '0x0a.0.0.0/8',
    ],
    ...[
      '10.1.2.3/16',
      'fd00::1/8',
      'fd00::/129',
      'fd00::::/8',
      'fd00::1::/64',
      'fd00:/8',
      ':fd00/8',
    ],
    ...['12345::/16', 'FD00::/8', 'fd00::%eth0/64', '1:2:3:4:5:6:7/64', '1:2:3:4:5:6:7:8:9/64'],
    ...[
      '1:2:3:4:5:6:7::8/128',
      '10.0.0.0::/8',
      '::10.0.0/128',
      '10.1.0.0/16 ',
      '....../1',
      ':::/1',
    ],
  ]) {
    expect([text, networkProblem(text)]).toEqual([text, expect.stringContaining('10.1.0.0/16')]);
  }
});

test('a network that holds an address which is never opened is refused', () => {
  for (const text of [
    ...['0.0.0.0/0', '0.0.0.0/8', '0.0.0.0/32', '128.0.0.0/1', '169.254.169.254/32'],
    ...['169.254.0.0/16', '169.254.1.0/24', '168.0.0.0/7', '224.0.0.0/4', '239.1.0.0/16'],
    ...['255.255.255.255/32', '240.0.0.0/4', '::/0', '::/128', '::/96', 'fe80::/10', 'fe80::/64'],
    ...['fe00::/7', 'ff00::/8', 'ff02::1/128', '8000::/1', '::ffff:169.254.0.0/112'],
    ...['64:ff9b::a9fe:a9fe/128', '::ffff:0:224.0.0.0/100'],
  ]) {
    expect([text, networkProblem(text)]).toEqual([
      text,
      expect.stringContaining('never be opened'),
    ]);
  }
});

test('an IPv6 block is read in all its forms', () => {
  const bytes = [0, 1, ...new Array<number>(12).fill(0), 0, 2];
  expect(parseNetwork('1::2/128')).toEqual({ bytes, bits: 128 });
  expect(parseNetwork('1:0:0:0:0:0:0:2/128')).toEqual({ bytes, bits: 128 });
  expect(parseNetwork('1::0.0.0.2/128')).toEqual({ bytes, bits: 128 });
});

test('an address that is written in a rule is closed unless its network is opened', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', '[::1]']) {
    expect([host, isLoopbackHost(host)]).toEqual([host, true]);
    expect([host, isClosedHost(host, [])]).toEqual([host, true]);
    expect([host, isClosedHost(host, ['10.0.0.0/8', 'loopback'])]).toEqual([host, false]);
  }
  for (const host of ['10.1.2.3', '172.31.0.1', '192.168.1.7', '[fd00::1]']) {
    expect([host, isLoopbackHost(host)]).toEqual([host, false]);
    expect([host, isClosedHost(host, ['loopback'])]).toEqual([host, true]);
  }
  expect([isLoopbackHost('localhost'), isClosedHost('localhost', [])]).toEqual([false, true]);
  expect(isClosedHost('localhost', ['loopback'])).toBe(false);
  expect(isClosedHost('10.1.2.3', ['10.1.0.0/16'])).toBe(false);
  expect(isClosedHost('[fd00::1]', ['fd00::/8'])).toBe(false);
  for (const host of ['api.example.com', '*.example.com', '172.32.0.1', '[2606::1]']) {
    expect([host, isClosedHost(host, [])]).toEqual([host, false]);
  }
});
