/** What protocols have in common that stand on byte streams: on TCP, of which they have the fields then, or on what they name. */
import { isDeepStrictEqual } from 'node:util';
import type { TSchema } from 'typebox';
import { L7mpError } from '../core/errors.ts';
import type { Metadata } from '../core/metadata.ts';
import type { Reconfigurable, Spec } from '../core/protocol.ts';
import type { SchemaParts } from '../core/schema.ts';
import { type StandsOn, specBelow } from '../core/stands-on.ts';
import { streamLayerFields, streamLayerNames } from '../layers/index.ts';
import { offering } from '../layers/tls/alpn.ts';
import { dialFields, endsName, listenFields } from './addresses.ts';

export const listenerFields = (parts: SchemaParts) => ({
  ...onStreams(listenFields(parts), parts),
  ...streamLayerFields('listener', parts),
});

export const clusterFields = (parts: SchemaParts) => ({
  ...onStreams(dialFields(parts), parts),
  ...streamLayerFields('cluster', parts),
});

function onStreams<P extends TSchema, F extends { port: P }>(fields: F, { Type, TransportSpec }: SchemaParts) {
  return { ...fields, port: Type.Optional(fields.port), transport: Type.Optional(TransportSpec) };
}

export const listenerOn = {
  field: 'transport',
  kind: 'stream',
  otherwise: { protocol: 'TCP', fields: ['port', 'ports', 'address', ...streamLayerNames('listener')] },
} as const satisfies StandsOn;

export const clusterOn = {
  field: 'transport',
  kind: 'stream',
  otherwise: { protocol: 'TCP', fields: ['port', 'bind', ...streamLayerNames('cluster')] },
} as const satisfies StandsOn;

/** What is below a specification: with TLS, these protocols are offered by ALPN where that does not say. */
export function belowOffering(on: StandsOn, protocols: readonly string[]): (spec: Spec) => Spec {
  return (spec) => offering(specBelow(on, spec) as Spec, protocols);
}

/** Of a listener that has to read what comes. Throws E_INVALID. */
export function checkDecrypted(spec: object): void {
  const { tls } = (specBelow(listenerOn, spec as Spec) ?? {}) as { readonly tls?: { readonly mode?: string } };
  if (tls?.mode !== 'passthrough') return;
  const field = 'transport' in spec ? '/transport/tls/mode' : '/tls/mode';
  throw new L7mpError('E_INVALID', `${field}: what is passed through is not decrypted, and cannot be read here`);
}

/** What hands changes of a specification, or of options, down to what it stands on: whether that has taken them up. */
export function handingDown(
  specBelow: (spec: Spec) => Spec,
  spec: Spec,
  below: Reconfigurable,
): NonNullable<Reconfigurable['reconfigure']> {
  let before = specBelow(spec);
  return async (after, options) => {
    const now = specBelow(after);
    const taken = below.reconfigure ? await below.reconfigure(now, options) : isDeepStrictEqual(before, now);
    if (taken) before = now;
    return taken;
  };
}

/** For session names: both ends of the connection, or the listener's name where these have no Internet addresses. */
export function connectionName(listener: string, metadata: Metadata): string {
  return metadata.IP === undefined || metadata.TCP === undefined ? listener : endsName('TCP', metadata);
}
