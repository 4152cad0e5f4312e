// Addresses as text: normal form, ranges, and the prefix that stands for one subscriber.
import { describe, expect, it } from 'vitest';
import { addressPrefix, addressRanges, normalizeAddress } from '../../src/lib/ip.ts';

it.each([
  ['203.0.113.9', '203.0.113.9'],
  ['::ffff:203.0.113.9', '203.0.113.9'],
  [' [2001:DB8::1]:443 ', '2001:db8::1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['203.0.113.9:80', '203.0.113.9'],
  ['203.0.113', undefined],
  ['unknown', undefined],
  ['', undefined],
])('normalises %j to %j', (text, address) => {
  expect(normalizeAddress(text)).toBe(address);
});

it.each([
  ['203.0.113.9', '203.0.113.9'],
  ['2001:db8:0:1::9', '2001:db8:0:1::/64'],
  ['2001:0db8:0000:0001:ffff::', '2001:db8:0:1::/64'],
  ['::1', '0:0:0:0::/64'],
  ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
])('counts %s as %s', (address, prefix) => {
  expect(addressPrefix(address)).toBe(prefix);
});

describe('ranges', () => {
  const ranges = addressRanges(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32']);

  it.each([
    ['10.255.0.1', true],
    ['11.0.0.1', false],
    ['192.0.2.7', true],
    ['192.0.2.8', false],
    ['2001:db8:ffff::1', true],
    ['2001:db9::1', false],
    ['nonsense', false],
  ])('%s: %s', (address, inside) => {
    expect(ranges.includes(address)).toBe(inside);
  });

  it.each(['10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/8/8', '10.0.0/8', 'all', '', '::/129', '10.0.0.0/'])(
    'refuses %j instead of trusting more',
    (cidr) => {
      expect(() => addressRanges([cidr])).toThrow(RangeError);
    },
  );
});
