import type { Metadata } from '../../core/metadata.ts';
import type { Header } from './header.ts';

/**
 * A connection's metadata with what its header says laid over them. The ports are those of the transport that there is below;
 * where it has none (UNIX sockets), of the one that the peer names.
 */
export function announcedMetadata(below: Metadata, { version, announced, tlvs }: Header): Metadata {
  const { source, destination, ports, transport } = announced ?? {};
  const said = announced && { src_addr: source as string, dst_addr: destination as string };
  const own = ['TCP', 'UDP'].find((name) => below[name] !== undefined) ?? transport;
  const ends = said && ports && { IP: said, [own as string]: { src_port: ports.source, dst_port: ports.destination } };
  // In front of what else there is: who looks for the peer's address takes the first.
  return { ...ends, ...below, ...ends, PROXY: { version, ...said, ...(tlvs && { tlvs }) } };
}
