/** Addresses of hosts: of a name, what the system's resolver gives. */
import { isIP } from 'node:net';
import { plainAddress } from '../core/address.ts';
import { connectError } from './connect-error.ts';
import { names } from './names.ts';
import { bindError } from './node/stream.ts';

/** Where to listen. Rejects with E_BIND. */
export async function addressToBind(at: { readonly host: string; readonly port: number }): Promise<string> {
  return addressOf(at.host).catch((error: Error) => Promise.reject(bindError(at, error)));
}

/** Where to connect to. Rejects with E_CONNECT. */
export function addressToConnect(host: string): Promise<string> {
  return addressOf(host).catch((error: Error) => Promise.reject(connectError(host, error)));
}

/** All addresses of a host, in the system's order, in their plain form. Rejects with the system's error. */
export async function resolve(host: string): Promise<string[]> {
  const plain = plainAddress(host);
  if (isIP(plain) !== 0) return [plain];
  const found = await names.addresses(plain);
  return found.map(({ address }) => plainAddress(address));
}

/** The first of them, for what takes one address. */
async function addressOf(host: string): Promise<string> {
  const [first] = await resolve(host);
  return first as string;
}
