/** What protocols have in common that stand on byte streams: on TCP, of which they have the fields then, or on what they name. */
import type { TSchema } from 'typebox';
import type { Metadata } from '../core/metadata.ts';
import type { SchemaParts } from '../core/schema.ts';
import type { StandsOn } from '../core/stands-on.ts';
import { dialFields, endsName, listenFields } from './addresses.ts';

export const listenerFields = (parts: SchemaParts) => onStreams(listenFields(parts), parts);
export const clusterFields = (parts: SchemaParts) => onStreams(dialFields(parts), parts);

function onStreams<P extends TSchema, F extends { port: P }>(fields: F, { Type, TransportSpec }: SchemaParts) {
  return { ...fields, port: Type.Optional(fields.port), transport: Type.Optional(TransportSpec) };
}

export const listenerOn = {
  field: 'transport',
  kind: 'stream',
  otherwise: { protocol: 'TCP', fields: ['port', 'address'] },
} as const satisfies StandsOn;

export const clusterOn = {
  field: 'transport',
  kind: 'stream',
  otherwise: { protocol: 'TCP', fields: ['port', 'bind'] },
} as const satisfies StandsOn;

/** For session names: both ends of the connection, or the listener's name where these have no Internet addresses. */
export function connectionName(listener: string, metadata: Metadata): string {
  return metadata.IP === undefined || metadata.TCP === undefined ? listener : endsName('TCP', metadata);
}
