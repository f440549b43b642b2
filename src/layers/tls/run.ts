/** TLS listeners and diallers, once there are any. */
import type { Channel } from '../../core/channel.ts';
import { dialLayer, listenOnLayer } from '../../core/handshakes.ts';
import type { LayerChannel } from '../../core/layer.ts';
import type { ClusterHost, Dialer, ListenerHost, Listening, Spec } from '../../core/protocol.ts';
import { AcceptedTlsChannel } from './accepted.ts';
import { DialledTlsChannel, readClient } from './dialled.ts';
import type { Sources } from './material.ts';
import { OpensslAcceptedChannel } from './openssl-accepted.ts';
import { hasOpenssl } from './openssl-channel.ts';
import { OpensslDialledChannel } from './openssl-dialled.ts';
import { type OpensslClientIdentity, OpensslServerIdentity, readOpensslClient } from './openssl-identity.ts';
import { PassedThroughChannel } from './passthrough.ts';
import { type Load, Reloading } from './reloading.ts';
import { readServer, ServerIdentity } from './server-identity.ts';
import { type ClientInput, clientOf, type ServerInput, serverOf } from './settings.ts';

/** Whoever encrypts, in the place of a connection. */
interface Encrypting<I> {
  load(input: ServerInput, sources: Sources): Promise<I>;
  accept(lower: Channel, identity: I): LayerChannel;
  free?(identity: I): void;
}

function onNode(host: ListenerHost): Encrypting<ServerIdentity> {
  return {
    load: async (input, sources) => new ServerIdentity(input, await readServer(input, sources), host.secret, host.name),
    accept: (lower, identity) => new AcceptedTlsChannel(lower, identity),
  };
}

function onOpenssl(host: ListenerHost): Encrypting<OpensslServerIdentity> {
  return {
    load: async (input, sources) =>
      new OpensslServerIdentity(input, await readServer(input, sources), host.secret, host.name),
    accept: (lower, identity) => new OpensslAcceptedChannel(lower, identity),
    free: (identity) => identity.free(),
  };
}

/** A listener above another one. */
export function listen(spec: Spec, below: Spec, host: ListenerHost): Promise<Listening> {
  const tls = serverOf(spec);
  return hasOpenssl(host.io)
    ? listenWith(onOpenssl(host), tls, below, host)
    : listenWith(onNode(host), tls, below, host);
}

async function listenWith<I extends object>(
  { load, accept, free }: Encrypting<I>,
  tls: ServerInput,
  below: Spec,
  host: ListenerHost,
): Promise<Listening> {
  const loading =
    (input: ServerInput): Load<I | undefined> =>
    async (sources) =>
      input.mode === 'passthrough' ? undefined : load(input, sources);
  const identity = await Reloading.open(loading(tls), host, (old) => old && free?.(old));
  try {
    const listening = await listenOnLayer(host, below, (lower) =>
      identity.current ? accept(lower, identity.current) : new PassedThroughChannel(lower),
    );
    return {
      close: () => {
        identity.close();
        return listening.close();
      },
      reconfigure: async (spec) => {
        await identity.take(loading(serverOf(spec)));
        return true;
      },
    };
  } catch (error) {
    identity.close();
    throw error;
  }
}

/** A dialler above another one. */
export function open(spec: Spec, below: Spec, host: ClusterHost): Promise<Dialer> {
  const tls = clientOf(spec);
  if (!hasOpenssl(host.io)) {
    return openWith(
      readClient,
      (lower, identity, address, endpoint) => new DialledTlsChannel(lower, identity, address, endpoint),
      tls,
      below,
      host,
    );
  }
  const wrap: WrapDialled<OpensslClientIdentity> = (lower, identity, address, endpoint) =>
    new OpensslDialledChannel(lower, identity, address, endpoint);
  return openWith(readOpensslClient, wrap, tls, below, host, (identity) => identity.free());
}

/** `endpoint`: which one of those with this address. */
type WrapDialled<I> = (lower: Channel, identity: I, address: string, endpoint: string) => LayerChannel;

async function openWith<I extends object>(
  read: (input: ClientInput, sources: Sources) => Promise<I>,
  wrap: WrapDialled<I>,
  tls: ClientInput,
  below: Spec,
  host: ClusterHost,
  free?: (identity: I) => void,
): Promise<Dialer> {
  const dialer = await host.dialerOn(below);
  const loading =
    (input: ClientInput): Load<I> =>
    (sources) =>
      read(input, sources);
  const identity = await Reloading.open(loading(tls), host, free);
  return {
    dial: (attempt) => {
      const { address, port = '' } = attempt;
      return dialLayer(dialer, attempt, (lower) => wrap(lower, identity.current, address, `${address} ${port}`));
    },
    reconfigure: async (spec) => {
      await identity.take(loading(clientOf(spec)));
      return true;
    },
    close: () => identity.close(),
  };
}
