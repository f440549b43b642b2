/** Clusters that say for whom they connect: for the session's peer, as its metadata have it. */
import { dialLayer } from '../../core/handshakes.ts';
import type { ClusterHost, Dialer, Spec } from '../../core/protocol.ts';
import { AnnouncingDatagrams } from './datagrams.ts';
import { AnnouncingChannel } from './stream.ts';
import type { Version } from './write.ts';

export async function dialAnnouncing(spec: Spec, below: Spec, host: ClusterHost): Promise<Dialer> {
  const dialer = await host.dialerOn(below);
  const version = spec.proxy_protocol as Version;
  return {
    dial: (attempt) =>
      dialLayer(dialer, attempt, (lower) => new AnnouncingChannel(lower, version, attempt.session?.metadata)),
  };
}

export async function dialAnnouncingDatagrams(_spec: Spec, below: Spec, host: ClusterHost): Promise<Dialer> {
  const dialer = await host.dialerOn(below);
  return {
    dial: (attempt) => dialLayer(dialer, attempt, (lower) => new AnnouncingDatagrams(lower, attempt.session?.metadata)),
  };
}
