/** The layers that there are, from the wire up: a new one is a folder and a line here. */
import type { Layer, LayerSide } from '../core/layers.ts';
import type { Protocol } from '../core/protocol.ts';
import type { SchemaParts } from '../core/schema.ts';
import { layerFields, withLayers } from '../core/with-layers.ts';
import { dtls } from './dtls/index.ts';
import { proxyProtocol, proxyProtocolOnDatagrams } from './proxy-protocol/index.ts';
import { tls } from './tls/index.ts';

export const LAYERS: readonly Layer[] = [proxyProtocol, proxyProtocolOnDatagrams, tls, dtls];

/** The protocol with all the layers that may stand on it. */
export const layered = (protocol: Protocol): Protocol => withLayers(protocol, LAYERS);

type Role = 'listener' | 'cluster';

/** The sides of those that may stand on a connection of TCP. */
function onStreams(role: Role): LayerSide[] {
  const suitable = LAYERS.filter((layer) => layer.suits({ protocol: 'TCP', kind: 'stream', lossy: false }));
  return suitable.flatMap((layer) => layer[role] ?? []);
}

/** The fields that protocols on connections of TCP have of the layers below them. */
export function streamLayerFields(role: Role, parts: SchemaParts) {
  return layerFields(onStreams(role), parts);
}

/** Their names. */
export function streamLayerNames(role: Role): string[] {
  return onStreams(role).flatMap(({ schema }) => Object.keys(schema));
}
