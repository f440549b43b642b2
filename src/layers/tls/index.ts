import { dialLayer, listenOnLayer } from '../../core/handshakes.ts';
import type { Layer } from '../../core/layers.ts';
import type { ClusterHost, Dialer, ListenerHost, Listening, Spec } from '../../core/protocol.ts';
import { AcceptedTlsChannel } from './accepted.ts';
import { checkClient, checkServer, filesOf, secretsOf } from './check.ts';
import { DialledTlsChannel, readClient } from './dialled.ts';
import { clientFields, serverFields } from './fields.ts';
import { PassedThroughChannel } from './passthrough.ts';
import { type Load, Reloading } from './reloading.ts';
import { readServer, ServerIdentity } from './server-identity.ts';
import { type ClientInput, fieldsOf, type ServerInput } from './settings.ts';

const serverOf = (spec: Spec): ServerInput => fieldsOf(spec.tls as ServerInput | true);
const clientOf = (spec: Spec): ClientInput => fieldsOf(spec.tls as ClientInput | true);

export const tls: Layer = {
  name: 'tls',
  title: 'TLS 1.2 and 1.3 (RFC 5246, RFC 8446): encrypted, with certificates.',
  needs: 'needs a byte stream',
  suits: ({ kind, lossy }) => kind === 'stream' && !lossy,
  listener: {
    schema: { tls: serverFields },
    live: ['/spec/tls'],
    files: (spec) => filesOf(serverOf(spec)),
    secrets: (spec) => secretsOf(serverOf(spec)),
    check: (spec) => checkServer(serverOf(spec)),
    listen: (spec, below, host) => listen(serverOf(spec), below, host),
  },
  cluster: {
    schema: { tls: clientFields },
    live: ['/spec/tls'],
    files: (spec) => filesOf(clientOf(spec)),
    secrets: (spec) => secretsOf(clientOf(spec)),
    check: (spec) => checkClient(clientOf(spec)),
    open: (spec, below, host) => open(clientOf(spec), below, host),
  },
};

async function listen(tls: ServerInput, below: Spec, host: ListenerHost): Promise<Listening> {
  const load =
    (input: ServerInput): Load<ServerIdentity | undefined> =>
    async (sources) => {
      if (input.mode === 'passthrough') return undefined;
      return new ServerIdentity(input, await readServer(input, sources), host.secret, host.name);
    };
  const identity = await Reloading.open(load(tls), host);
  try {
    const listening = await listenOnLayer(host, below, (lower) =>
      identity.current ? new AcceptedTlsChannel(lower, identity.current) : new PassedThroughChannel(lower),
    );
    return {
      close: () => {
        identity.close();
        return listening.close();
      },
      reconfigure: async (spec) => {
        await identity.take(load(serverOf(spec)));
        return true;
      },
    };
  } catch (error) {
    identity.close();
    throw error;
  }
}

async function open(tls: ClientInput, below: Spec, host: ClusterHost): Promise<Dialer> {
  const dialer = await host.dialerOn(below);
  const load = (input: ClientInput) => (sources: Parameters<typeof readClient>[1]) => readClient(input, sources);
  const identity = await Reloading.open(load(tls), host);
  return {
    dial: (attempt) =>
      dialLayer(dialer, attempt, (lower) => new DialledTlsChannel(lower, identity.current, attempt.address)),
    reconfigure: async (spec) => {
      await identity.take(load(clientOf(spec)));
      return true;
    },
    close: () => identity.close(),
  };
}
