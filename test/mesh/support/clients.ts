/** Users of the mesh: they ask from the node, as from outside. */
import * as dgram from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { run } from '../../support/programs.ts';
import { NODE_ADDRESS } from './node.ts';

/** `dig` as documents print it; empty where nobody answers. */
export function dig(port: number, name: string): Promise<string> {
  const question = [`@${NODE_ADDRESS}`, '+timeout=1', '+tries=1', '+notcp', '+short', name, '-p', String(port)];
  return run('dig', question).then(
    (answer) => (answer.startsWith(';') ? '' : answer.trim()),
    () => '',
  );
}

/** The first text that a DNS server has for the name. Rejects after three tries of two seconds. */
export async function askText(port: number, name: string): Promise<string> {
  const resolver = new Resolver({ timeout: 2000, tries: 3 });
  resolver.setServers([`${NODE_ADDRESS}:${port}`]);
  const [text = []] = await resolver.resolveTxt(name);
  return text.join('');
}

/** Whether nobody has bound a UDP port of the node. */
export async function udpIsFree(port: number): Promise<boolean> {
  const socket = dgram.createSocket('udp4');
  const bound = once(socket, 'listening').then(
    () => true,
    () => false,
  );
  socket.bind({ port, exclusive: true });
  const free = await bound;
  socket.close();
  return free;
}

/** One client on UDP, which sends a message and waits for its answer; undefined where there is none in time. */
export class UdpClient {
  readonly #socket = dgram.createSocket('udp4');
  readonly #port: number;
  readonly #address: string;

  constructor(port: number, address = NODE_ADDRESS) {
    this.#port = port;
    this.#address = address;
    this.#socket.on('error', () => {});
  }

  /** `patience` is in milliseconds. An answer is what has the message in it. */
  ask(message: string, patience = 2000): Promise<string | undefined> {
    return new Promise((resolve) => {
      const done = (answer?: string): void => {
        clearTimeout(timer);
        this.#socket.off('message', take);
        resolve(answer);
      };
      const take = (data: Buffer): void => {
        const text = data.toString();
        if (text.endsWith(message)) done(text);
      };
      const timer = setTimeout(done, patience);
      this.#socket.on('message', take);
      this.#socket.send(message, this.#port, this.#address);
    });
  }

  close(): void {
    this.#socket.close();
  }
}
