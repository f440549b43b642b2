import { existsSync, lstatSync, unlinkSync } from 'node:fs';
import * as net from 'node:net';
import { L7mpError } from '../core/errors.ts';

/** Removes a socket file that nobody listens on any more. What else stands at the path is left alone: E_BIND. */
export async function freePath(path: string): Promise<void> {
  if (!existsSync(path)) return;
  if (!lstatSync(path).isSocket())
    throw new L7mpError('E_BIND', `cannot listen on ${path}: it exists and is no socket`);
  if (await answers(path)) throw new L7mpError('E_BIND', `cannot listen on ${path}: the address is in use`);
  unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.connect({ path });
    const finish = (answered: boolean): void => {
      probe.destroy();
      resolve(answered);
    };
    probe.once('connect', () => finish(true));
    probe.once('error', (error: NodeJS.ErrnoException) => finish(error.code !== 'ECONNREFUSED'));
  });
}
