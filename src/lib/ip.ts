// Addresses: normalise, match against CIDR ranges, and the prefix that stands for one subscriber in limits and counters.
import { BlockList, isIP } from 'node:net';

export interface AddressRanges {
  /** True when the (normalised) address lies in one of the ranges. */
  includes(address: string): boolean;
}

/** The plain address: IPv4-mapped IPv6 becomes IPv4, zone, port and brackets go; undefined when it is no address. */
export function normalizeAddress(text: string): string | undefined {
  if (isIP(text) === 4) return text;
  const bare = withoutPort(text.trim()).replace(/%.*$/, '');
  const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare;
  return isIP(plain) === 0 ? undefined : plain.toLowerCase();
}

/** Throws on a malformed range, naming it, so that a typing mistake in a setting never widens trust. */
export function addressRanges(cidrs: readonly string[]): AddressRanges {
  const list = new BlockList();
  for (const cidr of cidrs) addRange(list, cidr);
  return {
    includes: (address) => {
      const version = isIP(address);
      return version !== 0 && list.check(address, version === 6 ? 'ipv6' : 'ipv4');
    },
  };
}

/** Whether all of `inner` lies in one of the `outer` ranges. Throws on a malformed range. */
export function rangesCover(outer: readonly string[], inner: string): boolean {
  const within = parsedRange(inner);
  return outer.some((cidr) => {
    const range = parsedRange(cidr);
    return (
      range.version === within.version &&
      range.length <= within.length &&
      addressRanges([cidr]).includes(within.network)
    );
  });
}

/** IPv4 as it is; IPv6 as its /64, because one subscriber owns at least that many addresses. */
export function addressPrefix(address: string): string {
  return isIP(address) === 6 ? `${ipv6Groups(address).slice(0, 4).join(':')}::/64` : address;
}

function withoutPort(text: string): string {
  const bracketed = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(text)?.[1];
  if (bracketed !== undefined) return bracketed;
  return /^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/.exec(text)?.[1] ?? text;
}

function addRange(list: BlockList, cidr: string): void {
  const { network, length, version } = parsedRange(cidr);
  list.addSubnet(network, length, version === 6 ? 'ipv6' : 'ipv4');
}

function parsedRange(cidr: string): { network: string; length: number; version: number } {
  const [network = '', bits, ...rest] = cidr.split('/');
  const version = isIP(network);
  const widest = version === 6 ? 128 : 32;
  const length = bits === undefined ? widest : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
  if (version === 0 || rest.length > 0 || length < 0 || length > widest) {
    throw new RangeError(`not an address range: ${cidr}`);
  }
  return { network, length, version };
}

/** The eight groups without leading zeros, `::` and an embedded IPv4 tail written out. */
function ipv6Groups(address: string): string[] {
  const [head = '', tail] = withHexTail(address).split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16).toString(16));
}

function withHexTail(address: string): string {
  return address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, a, b, c, d) => {
    const high = Number(a) * 256 + Number(b);
    const low = Number(c) * 256 + Number(d);
    return `${high.toString(16)}:${low.toString(16)}`;
  });
}
