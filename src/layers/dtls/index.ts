import { L7mpError } from '../../core/errors.ts';
import { dialLayer, Handshakes } from '../../core/handshakes.ts';
import type { Layer } from '../../core/layers.ts';
import type { ClusterHost, Dialer, ListenerHost, Listening, Spec } from '../../core/protocol.ts';
import { openssl } from '../../openssl/openssl.ts';
import { checkClient, checkServer, filesOf, secretsOf } from '../tls/check.ts';
import { Reloading } from '../tls/reloading.ts';
import { fieldsOf } from '../tls/settings.ts';
import { AcceptedDtlsChannel } from './accepted.ts';
import { Cookies } from './cookies.ts';
import { DialledDtlsChannel } from './dialled.ts';
import { dtlsClientFields, dtlsServerFields } from './fields.ts';
import { firstWords } from './first.ts';
import { type DtlsClientInput, type DtlsServerInput, loadClient, loadServer } from './identity.ts';
import { DtlsPeer } from './peer.ts';
import { Retransmissions } from './retransmissions.ts';

const serverOf = (spec: Spec): DtlsServerInput => fieldsOf(spec.tls as DtlsServerInput | true);
const clientOf = (spec: Spec): DtlsClientInput => fieldsOf(spec.tls as DtlsClientInput | true);

export const dtls: Layer = {
  name: 'tls',
  title: 'DTLS 1.2 (RFC 6347): encrypted datagrams, with certificates.',
  needs: 'needs a byte stream, or UDP',
  suits: ({ protocol }) => protocol === 'UDP',
  listener: {
    schema: { tls: dtlsServerFields },
    live: ['/spec/tls'],
    files: (spec) => filesOf(serverOf(spec)),
    secrets: (spec) => secretsOf(serverOf(spec)),
    check: (spec) => checkServer(serverOf(spec)),
    listen: (spec, below, host) => listen(serverOf(spec), below, host),
  },
  cluster: {
    schema: { tls: dtlsClientFields },
    live: ['/spec/tls'],
    files: (spec) => filesOf(clientOf(spec)),
    secrets: (spec) => secretsOf(clientOf(spec)),
    check: (spec) => checkClient(clientOf(spec)),
    open: (spec, below, host) => open(clientOf(spec), below, host),
  },
};

async function listen(tls: DtlsServerInput, below: Spec, host: ListenerHost): Promise<Listening> {
  demandOpenssl();
  const identity = await Reloading.open(loadServer(tls), host, (old) => old.free());
  const cookies = new Cookies(host.secret);
  const handshakes = new Handshakes(host);
  const retransmissions = new Retransmissions();
  try {
    const listening = await host.listenOn(
      below,
      (lower) => {
        new DtlsPeer(lower, cookies, (one, hello) => {
          handshakes.take(one, () => new AcceptedDtlsChannel(one, hello, identity.current, retransmissions));
        });
      },
      firstWords(cookies, (why) => host.reject(why)),
    );
    return {
      close: () => {
        handshakes.close();
        identity.close();
        return listening.close();
      },
      reconfigure: async (spec) => {
        await identity.take(loadServer(serverOf(spec)));
        return true;
      },
    };
  } catch (error) {
    identity.close();
    throw error;
  }
}

async function open(tls: DtlsClientInput, below: Spec, host: ClusterHost): Promise<Dialer> {
  demandOpenssl();
  const dialer = await host.dialerOn(below);
  const identity = await Reloading.open(loadClient(tls), host, (old) => old.free());
  const retransmissions = new Retransmissions();
  return {
    dial: (attempt) =>
      dialLayer(
        dialer,
        attempt,
        (lower) => new DialledDtlsChannel(lower, identity.current, attempt.address, retransmissions),
      ),
    reconfigure: async (spec) => {
      await identity.take(loadClient(clientOf(spec)));
      return true;
    },
    close: () => identity.close(),
  };
}

/** Throws E_UNSUPPORTED. */
function demandOpenssl(): void {
  try {
    openssl();
  } catch (error) {
    throw new L7mpError('E_UNSUPPORTED', `/tls: there is no DTLS here: ${(error as Error).message}`, { cause: error });
  }
}
