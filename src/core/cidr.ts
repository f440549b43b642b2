import { BlockList, isIP } from 'node:net';
import { plainAddress } from './address.ts';
import { L7mpError } from './errors.ts';

/** The addresses that an IP address, or a CIDR, stands for. Throws a RangeError that says what is expected, in words. */
export function parseCidr(given: string): BlockList {
  return addCidr(new BlockList(), given);
}

/** The addresses that any of these stand for. Throws as `parseCidr`. */
export class Cidrs {
  readonly #list = new BlockList();

  constructor(given: readonly string[]) {
    for (const one of given) addCidr(this.#list, one);
  }

  /** Whether an IP address is among them; anything else is not. An IPv4-mapped one is that of IPv4, a zone says nothing. */
  has(address: string): boolean {
    const [plain = ''] = plainAddress(address).split('%');
    const family = isIP(plain);
    return family !== 0 && this.#list.check(plain, family === 6 ? 'ipv6' : 'ipv4');
  }
}

/** Throws an E_INVALID that names the first one, below `field`, which is no IP address and no CIDR. */
export function checkCidrs(given: readonly string[] = [], field = ''): void {
  for (const [n, cidr] of given.entries()) {
    try {
      parseCidr(cidr);
    } catch (error) {
      throw new L7mpError('E_INVALID', `${field}/${n}: ${JSON.stringify(cidr)} is not ${(error as Error).message}`);
    }
  }
}

function addCidr(list: BlockList, given: string): BlockList {
  const [text = '', length, ...more] = given.split('/');
  // A prefix counts bits of the form that it was written in.
  const address = length === undefined ? plainAddress(text) : text;
  const family = isIP(address);
  const most = family === 6 ? 128 : 32;
  if (family === 0 || more.length > 0) throw new RangeError('an IP address or a CIDR');
  const prefix = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  if (!(prefix <= most)) throw new RangeError(`an integer from 0 to ${most}`);
  list.addSubnet(address, prefix, family === 6 ? 'ipv6' : 'ipv4');
  return list;
}
