/** Addresses of hosts, for what takes one address: of a name, the first that the system's resolver gives. */
import * as dns from 'node:dns';
import { isIP } from 'node:net';
import { plainAddress } from '../core/address.ts';
import { connectError } from './connect-error.ts';
import { bindError } from './node/stream.ts';

/** Where to listen. Rejects with E_BIND. */
export async function addressToBind(at: { readonly host: string; readonly port: number }): Promise<string> {
  return addressOf(at.host).catch((error: Error) => Promise.reject(bindError(at, error)));
}

/** Where to connect to. Rejects with E_CONNECT. */
export function addressToConnect(host: string): Promise<string> {
  return addressOf(host).catch((error: Error) => Promise.reject(connectError(host, error)));
}

async function addressOf(host: string): Promise<string> {
  const plain = plainAddress(host);
  return isIP(plain) === 0 ? (await dns.promises.lookup(plain)).address : plain;
}
