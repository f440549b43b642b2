/** The schema of `tls` on datagrams: what it says on byte streams, but for what DTLS has no choice in, and the size of datagrams. */
import type { SchemaParts } from '../../core/schema.ts';
import { clientProperties, optional, serverProperties } from '../tls/fields.ts';

/** Bytes of a datagram's payload: with the heads of UDP and IPv6 in front they fit 1,280 bytes, which each link has (RFC 8200). */
export const DEFAULT_MTU = 1200;

const mtu = ({ Type }: SchemaParts) =>
  Type.Optional(
    Type.Integer({
      minimum: 256,
      maximum: 65_507,
      description: `The largest payload of a UDP datagram with a record, in bytes. Default ${DEFAULT_MTU}.`,
    }),
  );

export const dtlsServerFields = (parts: SchemaParts) => {
  const { min_version: _version, resumption: _resumption, mode: _mode, ...fields } = serverProperties(parts);
  return optional(parts, parts.strict({ ...fields, mtu: mtu(parts) }), 'DTLS 1.2. Default none.');
};

export const dtlsClientFields = (parts: SchemaParts) => {
  const { min_version: _version, resumption: _resumption, ...fields } = clientProperties(parts);
  return optional(
    parts,
    parts.strict({ ...fields, mtu: mtu(parts) }),
    'DTLS 1.2 to endpoints; true for all defaults. Default none.',
  );
};
