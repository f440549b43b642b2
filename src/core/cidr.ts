import { BlockList, isIP } from 'node:net';
import { plainAddress } from './address.ts';
import { L7mpError } from './errors.ts';

/** ::ffff:0:0/96, in which IPv4 addresses are mapped (RFC 4291 section 2.5.5.2). */
const MAPPED_PREFIX = 96;

interface Cidr {
  readonly family: 'ipv4' | 'ipv6';
  readonly address: string;
  readonly prefix: number;
}

/**
 * The addresses that some IP addresses and CIDRs stand for. Those of IPv4 and of IPv6 have nothing in common: `::/0` is no IPv4
 * address. Mapped ones are those of IPv4, here and there.
 */
export class Cidrs {
  // One list for each: in a common one ::/0 would have all of IPv4, which it sees as mapped.
  readonly #lists = { ipv4: new BlockList(), ipv6: new BlockList() };

  /** Throws a RangeError that says what is expected, in words. */
  constructor(given: readonly string[]) {
    for (const one of given) {
      const { family, address, prefix } = parse(one);
      this.#lists[family].addSubnet(address, prefix, family);
    }
  }

  /** Whether an IP address is among them, whatever its zone; anything else is not. */
  has(address: string): boolean {
    const [plain = ''] = plainAddress(address).split('%');
    const number = isIP(plain);
    if (number === 0) return false;
    const family = number === 6 ? 'ipv6' : 'ipv4';
    return this.#lists[family].check(plain, family);
  }
}

/** Throws an E_INVALID that names the first one, below `field`, which is no IP address and no CIDR. */
export function checkCidrs(given: readonly string[] = [], field = ''): void {
  for (const [n, cidr] of given.entries()) {
    try {
      parse(cidr);
    } catch (error) {
      throw new L7mpError('E_INVALID', `${field}/${n}: ${JSON.stringify(cidr)} is not ${(error as Error).message}`);
    }
  }
}

function parse(given: string): Cidr {
  const [text = '', length, ...more] = given.split('/');
  // A prefix counts bits of the form that it was written in.
  const address = length === undefined ? plainAddress(text) : text;
  const number = isIP(address);
  const most = number === 6 ? 128 : 32;
  if (number === 0 || more.length > 0) throw new RangeError('an IP address or a CIDR');
  const prefix = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  if (!(prefix <= most)) throw new RangeError(`an integer from 0 to ${most}`);
  const plain = plainAddress(address);
  const mapped = number === 6 && isIP(plain) === 4 && prefix >= MAPPED_PREFIX;
  if (mapped) return { family: 'ipv4', address: plain, prefix: prefix - MAPPED_PREFIX };
  return { family: number === 6 ? 'ipv6' : 'ipv4', address, prefix };
}
