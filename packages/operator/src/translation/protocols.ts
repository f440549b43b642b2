/** A protocol as a key, `{UDP: {port: 1}}`, and as a field, `{protocol: UDP, port: 1}`: here and in what it stands on. */
import type { ProtocolSpec } from '../resources/objects.ts';
import { InvalidObject } from './invalid.ts';

/** As the proxy has it. */
export interface Spec {
  readonly protocol: string;
  readonly [field: string]: unknown;
}

/** The fields that hold what a protocol stands on. */
const TRANSPORTS = ['transport', 'transport_spec'] as const;

/** Throws InvalidObject, with the path, for what has no protocol or several. */
export function withField(spec: ProtocolSpec, path: string): Spec {
  const [entry, ...others] = Object.entries(spec);
  if (!entry || others.length > 0) throw new InvalidObject(`${path}: exactly one protocol must be given`);
  const [protocol, fields] = entry;
  const converted = TRANSPORTS.flatMap((field) => {
    const transport = fields?.[field];
    if (typeof transport !== 'object' || transport === null) return [];
    return [[field, withField(transport as ProtocolSpec, `${path}/${protocol}/${field}`)]];
  });
  return { protocol, ...fields, ...Object.fromEntries(converted) };
}

export function transportOf(spec: Spec): Spec | undefined {
  const [transport] = TRANSPORTS.flatMap((field) => (spec[field] ? [spec[field]] : []));
  return transport as Spec | undefined;
}

/** The protocol at the bottom, which opens the socket. */
export function lowest(spec: Spec): Spec {
  const transport = transportOf(spec);
  return transport ? lowest(transport) : spec;
}

/** What the metadata of a connection are named after, where that is not TCP. */
const METADATA: Readonly<Record<string, string>> = { UDP: 'UDP', SCTP: 'SCTP' };

/**
 * What dials a listener of this specification: its protocol and port, and what it stands on. Of many ports the one that the
 * session has hit here.
 */
export function dialling(listener: Spec): Spec {
  const { protocol, ports } = listener;
  const port = ports === undefined ? listener.port : { path: `/${METADATA[protocol] ?? 'TCP'}/dst_port` };
  const transport = transportOf(listener);
  return { protocol, ...(port !== undefined && { port }), ...(transport && { transport: dialling(transport) }) };
}
