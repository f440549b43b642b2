/** Where load, proxy and server are: all on the loopback, or each in a network namespace of its own. */
import { execFile } from 'node:child_process';
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Child, launch } from './processes.ts';
import type { Command } from './types.ts';

/** Makes of a command one that runs there. */
export type Where = (command: Command) => Command;

export interface Network {
  /** Where the proxy listens, and where the load's server does. */
  readonly proxy: string;
  readonly server: string;
  /** What the offload is to look at. */
  readonly interfaces: string;
  readonly atClient: Where;
  readonly atServer: Where;
  close(): Promise<void>;
}

export const here: Where = (command) => command;

export const LOOPBACK: Network = {
  proxy: '127.0.0.1',
  server: '127.0.0.1',
  interfaces: 'lo',
  atClient: here,
  atServer: here,
  close: async () => {},
};

/** As the load programs take it. */
export function at(address: string, port: number): string {
  return address === LOOPBACK.proxy ? `${port}` : `${address}:${port}`;
}

const FORWARDING = '/proc/sys/net/ipv4/ip_forward';
const SETUP_TRIES = 500;

/**
 * The load's and the server's namespaces, each joined by a veth pair with the one where the bench is, in which the
 * proxies run. It forwards IP, so that no proxy is needed. A namespace has no name, and no other owner than a process
 * that ends with the bench, whatever ends that: nothing is left behind. Rejects with the reason where that is not to be had.
 */
export async function threeNamespaces(): Promise<Network> {
  if (process.env.L7MP_BENCH_NAMESPACE !== '1')
    throw new Error('network namespaces and their interfaces need root, and unshare(1)');
  const hosts: Host[] = [];
  const close = async (): Promise<void> => {
    writeFileSync(FORWARDING, before);
    for (const host of hosts) await host.close();
  };
  const before = readFileSync(FORWARDING);
  try {
    hosts.push(await Host.open('client', '198.18'));
    hosts.push(await Host.open('server', '198.19'));
    writeFileSync(FORWARDING, '1');
  } catch (error) {
    await close();
    throw error;
  }
  const [client, server] = hosts as [Host, Host];
  const interfaces = `${client.link},${server.link}`;
  return {
    proxy: client.gateway,
    server: server.address,
    interfaces,
    atClient: client.where,
    atServer: server.where,
    close,
  };
}

/** A host beside the one where the bench is. */
class Host {
  /** The bench's end of the cable. */
  readonly link: string;
  readonly gateway: string;
  readonly address: string;
  readonly #holder: Child;

  private constructor(name: string, network: string) {
    this.link = `to-${name}`;
    this.gateway = `${network}.255.254`;
    this.address = `${network}.0.1`;
    this.#holder = launch(`the ${name}'s namespace`, { file: 'unshare', args: ['--net', 'sleep', 'infinity'] }, 'any');
  }

  /** `network`: the first half of the addresses, of which the load sends from any. */
  static async open(name: string, network: string): Promise<Host> {
    const host = new Host(name, network);
    try {
      await host.#apart();
      await ip('link', 'add', host.link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${host.#holder.pid}`);
      await ip('addr', 'add', `${host.gateway}/16`, 'dev', host.link);
      await ip('link', 'set', host.link, 'up');
      for (const device of ['lo', 'eth0']) await host.#ip('link', 'set', device, 'up');
      await host.#ip('addr', 'add', `${host.address}/16`, 'dev', 'eth0');
      // All of them are its own, without a list of a thousand addresses.
      await host.#ip('route', 'add', 'local', `${network}.0.0/20`, 'dev', 'lo', 'src', host.address);
      await host.#ip('route', 'add', 'default', 'via', host.gateway);
    } catch (error) {
      await host.close();
      throw error;
    }
    return host;
  }

  get where(): Where {
    const enter = `--net=/proc/${this.#holder.pid}/ns/net`;
    return ({ file, args }) => ({ file: 'nsenter', args: [enter, file, ...args] });
  }

  /** The kernel takes a namespace apart some time after its last process has ended: the cable goes at once. */
  async close(): Promise<void> {
    await ip('link', 'del', this.link).catch(() => {});
    await this.#holder.stop();
  }

  async #apart(): Promise<void> {
    const ours = readlinkSync('/proc/self/ns/net');
    for (let tries = 0; tries < SETUP_TRIES && !this.#holder.over; tries++) {
      if (readlinkSync(`/proc/${this.#holder.pid}/ns/net`) !== ours) return;
      await sleep(10);
    }
    throw new Error(`${this.#holder.name}: ${this.#holder.over ? await this.#holder.ended : 'is not there in time'}`);
  }

  async #ip(...args: string[]): Promise<void> {
    const { file, args: all } = this.where({ file: 'ip', args });
    await promisify(execFile)(file, all);
  }
}

async function ip(...args: string[]): Promise<void> {
  await promisify(execFile)('ip', args);
}
