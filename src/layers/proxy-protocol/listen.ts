/** Listeners whose peers say for whom they stand. */
import type { Channel } from '../../core/channel.ts';
import { Cidrs, checkCidrs } from '../../core/cidr.ts';
import { L7mpError } from '../../core/errors.ts';
import { listenOnLayer } from '../../core/handshakes.ts';
import type { ListenerHost, Listening, Spec } from '../../core/protocol.ts';
import { addressOf } from '../../core/source.ts';
import { lookingAtHeaders, ProxySocket } from './datagrams.ts';
import { AnnouncedChannel } from './stream.ts';

interface Fields extends Spec {
  readonly proxy_protocol_from?: readonly string[];
}

/** Throws E_INVALID. */
export function checkFrom({ proxy_protocol_from: from }: Fields): void {
  checkCidrs(from, '/proxy_protocol_from');
}

/** Who is to send a header. */
class Proxies {
  #cidrs: Cidrs | undefined;

  constructor(spec: Fields) {
    this.set(spec);
  }

  set({ proxy_protocol_from: from }: Fields): true {
    this.#cidrs = from && new Cidrs(from);
    return true;
  }

  has(address: string): boolean {
    return this.#cidrs?.has(address) ?? true;
  }

  /** Whether a channel's peer is one. Who has no address (UNIX sockets) is in no CIDR. */
  hasPeer(channel: Channel): boolean {
    if (!this.#cidrs) return true;
    const address = addressOf(channel);
    return address !== undefined && this.#cidrs.has(address);
  }
}

export async function listenForStreams(spec: Spec, below: Spec, host: ListenerHost): Promise<Listening> {
  const proxies = new Proxies(spec);
  const wrap = (lower: Channel) => (proxies.hasPeer(lower) ? new AnnouncedChannel(lower) : undefined);
  const listening = await listenOnLayer(host, below, wrap, { everybody: true });
  return { ...listening, reconfigure: async (after) => proxies.set(after) };
}

export async function listenForDatagrams(spec: Spec, below: Spec, host: ListenerHost): Promise<Listening> {
  const proxies = new Proxies(spec);
  const state = { open: true };
  const listening = await host.listenOn(
    below,
    (lower) => {
      if (proxies.hasPeer(lower)) new ProxySocket(lower, host, state).begin();
      else if (host.admit({ address: addressOf(lower), lossy: true })) host.accept(lower);
      else lower.refuse(new L7mpError('E_LIMIT', 'too many sessions'));
    },
    lookingAtHeaders((address) => proxies.has(address), host),
    true,
  );
  return {
    close: () => {
      state.open = false;
      return listening.close();
    },
    reconfigure: async (after) => proxies.set(after),
  };
}
