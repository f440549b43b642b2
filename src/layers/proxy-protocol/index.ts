import { Cidrs, parseCidr } from '../../core/cidr.ts';
import { L7mpError } from '../../core/errors.ts';
import { dialLayer, listenOnLayer } from '../../core/handshakes.ts';
import type { Layer } from '../../core/layers.ts';
import type { Listening, Spec } from '../../core/protocol.ts';
import { addressOf } from '../../core/source.ts';
import { AnnouncedChannel, AnnouncingChannel } from './stream.ts';
import type { Version } from './write.ts';

interface ListenerFields extends Spec {
  readonly proxy_protocol_from?: readonly string[];
}

export const proxyProtocol: Layer = {
  name: 'proxy_protocol',
  title: 'The PROXY protocol, versions 1 and 2: for whom a connection is made, in a header in front of it.',
  needs: 'needs a byte stream',
  suits: ({ kind }) => kind === 'stream',
  listener: {
    schema: {
      proxy_protocol: ({ Type }) =>
        Type.Boolean({
          enum: [true],
          description: 'Each connection begins with a PROXY header, of version 1 or 2. Default: none does.',
        }),
      proxy_protocol_from: ({ Type }) =>
        Type.Array(Type.String({ maxLength: 64, description: 'An IP address, or a CIDR.' }), {
          maxItems: 1024,
          description:
            'Who sends a header, as IP addresses and CIDRs; others are served as they are. Default: everybody.',
        }),
    },
    live: ['/spec/proxy_protocol_from'],
    check: (spec) => checkFrom(spec as ListenerFields),
    listen: async (spec, below, host): Promise<Listening> => {
      let isTrusted = trusting(spec);
      const listening = await listenOnLayer(host, below, (lower) =>
        isTrusted(addressOf(lower)) ? new AnnouncedChannel(lower) : undefined,
      );
      return {
        ...listening,
        reconfigure: async (after) => {
          isTrusted = trusting(after);
          return true;
        },
      };
    },
  },
  cluster: {
    schema: {
      proxy_protocol: ({ Type }) =>
        Type.Enum(['v1', 'v2'], {
          description: 'The version of the PROXY header in front of each connection. Default: none.',
        }),
    },
    open: async (spec, below, host) => {
      const dialer = await host.dialerOn(below);
      const version = spec.proxy_protocol as Version;
      return {
        dial: (attempt) =>
          dialLayer(dialer, attempt, (lower) => new AnnouncingChannel(lower, version, attempt.session?.metadata)),
      };
    },
  },
};

/** Whether a peer is to send a header, by its address. */
function trusting({ proxy_protocol_from: from }: ListenerFields): (address: string | undefined) => boolean {
  if (!from) return () => true;
  const cidrs = new Cidrs(from);
  return (address) => address !== undefined && cidrs.has(address);
}

function checkFrom({ proxy_protocol_from: from = [] }: ListenerFields): void {
  for (const [n, cidr] of from.entries()) {
    try {
      parseCidr(cidr);
    } catch (error) {
      throw new L7mpError(
        'E_INVALID',
        `/proxy_protocol_from/${n}: ${JSON.stringify(cidr)} is not ${(error as Error).message}`,
      );
    }
  }
}
