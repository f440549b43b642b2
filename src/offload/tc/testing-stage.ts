/** For tests of the offload: a client, a proxy's host and a server, in network namespaces of their own. */
import assert from 'node:assert/strict';
import type { OffloadedFlow } from '../engine.ts';
import { TcOffload, type TcOptions } from './index.ts';
import { loadNative } from './libbpf.ts';
import { cable, Namespace, Peer, Tap } from './testing.ts';

export const FAMILIES = [
  {
    family: 4,
    client: '10.1.0.1',
    listen: '10.1.0.2',
    local: '10.2.0.2',
    server: '10.2.0.1',
    header: 20,
    loopback: '127.0.0.1',
  },
  { family: 6, client: 'fd01::1', listen: 'fd01::2', local: 'fd02::2', server: 'fd02::1', header: 40, loopback: '::1' },
] as const;

/** Where the four sockets are. */
export interface Addresses {
  readonly client: string;
  readonly listen: string;
  readonly local: string;
  readonly server: string;
}

/** Four sockets, and the flow between them. The proxy's are the slow path. */
export interface Scene {
  readonly client: Peer;
  readonly listen: Peer;
  readonly local: Peer;
  readonly server: Peer;
  readonly flow: OffloadedFlow;
}

interface Spaces {
  readonly client: Namespace;
  readonly proxy: Namespace;
  readonly server: Namespace;
}

/** Moves this thread into the proxy's namespace for good. */
export class Stage {
  readonly spaces: Spaces;
  readonly #open: { close(): unknown }[] = [];

  constructor() {
    this.spaces = { client: new Namespace('c'), proxy: new Namespace('p'), server: new Namespace('s') };
    const { client, proxy, server } = this.spaces;
    proxy.stay();
    cable(client, 'vc', ['10.1.0.1/24', 'fd01::1/64'], proxy, 'vp1', ['10.1.0.2/24', 'fd01::2/64']);
    cable(server, 'vs', ['10.2.0.1/24', 'fd02::1/64'], proxy, 'vp2', ['10.2.0.2/24', 'fd02::2/64']);
    // A proxy's host need not be a router.
    assert.equal(proxy.exec('cat', '/proc/sys/net/ipv4/ip_forward').trim(), '0');
  }

  engine(options: Partial<TcOptions> = {}): TcOffload {
    const offload = new TcOffload(loadNative(), { interfaces: 'all', ...options });
    this.#open.push(offload);
    return offload;
  }

  /** `at`: where the client and the server are, if not in their own namespaces. */
  async scene(addresses: Addresses, offload = this.engine(), at: Partial<Spaces> = {}): Promise<Scene> {
    const spaces = { ...this.spaces, ...at };
    const client = await this.#peer(spaces.client, addresses.client);
    const listen = await this.#peer(spaces.proxy, addresses.listen);
    const local = await this.#peer(spaces.proxy, addresses.local);
    const server = await this.#peer(spaces.server, addresses.server);
    const flow = offload.add({ client: client.end, listen: listen.end, local: local.end, upstream: server.end });
    assert.equal(flow.refused, undefined);
    return { client, listen, local, server, flow: flow as OffloadedFlow };
  }

  tap(space: Namespace, name: string): Tap {
    const index = Number(space.exec('cat', `/sys/class/net/${name}/ifindex`));
    const made = space.enter(() => new Tap(index));
    this.#open.push(made);
    return made;
  }

  async #peer(space: Namespace, address: string): Promise<Peer> {
    const made = await space.enter(() => Peer.open(address));
    this.#open.push(made);
    return made;
  }

  /** Closes what was opened since it was last called. */
  async clear(): Promise<void> {
    for (const one of this.#open.splice(0).reverse()) await one.close();
  }

  remove(): void {
    for (const space of Object.values(this.spaces)) space.remove();
  }
}

/** Both ways below the sockets. */
export async function assertKernel({ client, listen, local, server }: Scene): Promise<void> {
  server.echo();
  client.send(listen, 'ping');
  assert.deepEqual(await client.got(1), [{ text: 'ping', from: listen.name }]);
  assert.deepEqual(server.received, [{ text: 'ping', from: local.name }]);
  assert.deepEqual([listen.received, local.received], [[], []]);
}
