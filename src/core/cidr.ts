import { BlockList, isIP } from 'node:net';
import { plainAddress } from './address.ts';

/** The addresses that an IP address, or a CIDR, stands for. Throws what is expected, in words. */
export function parseCidr(given: string): BlockList {
  const [text = '', length, ...more] = given.split('/');
  // A prefix counts bits of the form that it was written in.
  const address = length === undefined ? plainAddress(text) : text;
  const family = isIP(address);
  const most = family === 6 ? 128 : 32;
  if (family === 0 || more.length > 0) throw new RangeError('an IP address or a CIDR');
  const prefix = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  if (!(prefix <= most)) throw new RangeError(`an integer from 0 to ${most}`);
  const list = new BlockList();
  list.addSubnet(address, prefix, family === 6 ? 'ipv6' : 'ipv4');
  return list;
}
