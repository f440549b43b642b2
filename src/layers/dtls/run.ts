/** DTLS listeners and diallers, once there are any. */
import { L7mpError } from '../../core/errors.ts';
import { dialLayer, Handshakes } from '../../core/handshakes.ts';
import type { ClusterHost, Dialer, ListenerHost, Listening, Spec } from '../../core/protocol.ts';
import { openssl } from '../../openssl/openssl.ts';
import { Reloading } from '../tls/reloading.ts';
import { AcceptedDtlsChannel } from './accepted.ts';
import { Cookies } from './cookies.ts';
import { DialledDtlsChannel } from './dialled.ts';
import { firstWords } from './first.ts';
import { loadClient, loadServer } from './identity.ts';
import { DtlsPeer } from './peer.ts';
import { Retransmissions } from './retransmissions.ts';
import { clientOf, serverOf } from './settings.ts';

/** A listener above another one. Rejects with E_UNSUPPORTED where there is no OpenSSL. */
export async function listen(spec: Spec, below: Spec, host: ListenerHost): Promise<Listening> {
  const tls = serverOf(spec);
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

/** A dialler above another one. Rejects likewise. */
export async function open(spec: Spec, below: Spec, host: ClusterHost): Promise<Dialer> {
  const tls = clientOf(spec);
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
