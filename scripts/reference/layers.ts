/** What is said of layers, out of their definitions. */
import type { TSchema } from 'typebox';
import type { Layer, LayerSide } from '../../src/core/layers.ts';
import type { ListenerSide, Protocol } from '../../src/core/protocol.ts';
import type { Registry } from '../../src/core/registry.ts';
import * as parts from '../../src/core/schema.ts';
import { LAYERS } from '../../src/layers/index.ts';
import { pageOf } from './protocols.ts';
import { fieldTable, prose, type Schema, table } from './tables.ts';

/** The names of all layers; one may have several forms. */
export const LAYER_NAMES: readonly string[] = [...new Set(LAYERS.map(({ name }) => name))];

const fileName = (name: string): string => name.replaceAll('_', '-');

/** A layer's page, below the reference. */
export function layerPageOf(name: string): string {
  return `layers/${fileName(name)}.md`;
}

export function layerBlockOf(name: string): string {
  return `layer-${fileName(name)}`;
}

/** The table of all layers, below the reference. */
export function layerTable(registry: Registry): string {
  const rows = LAYERS.map((layer) => [
    `[\`${layer.name}\`](${layerPageOf(layer.name)})`,
    [layer.listener ? 'l' : '', layer.cluster ? 'c' : ''].filter(Boolean).join('/'),
    protocolsOf(layer, registry, ''),
    prose(layer.title),
  ]);
  return table(['Field', 'Role', 'On', 'What it is'], rows);
}

/** All that the definitions of a layer say, form by form. */
export function layerBlock(name: string, registry: Registry): string {
  const forms = LAYERS.filter((layer) => layer.name === name);
  return forms.flatMap((layer) => formParts(layer, registry)).join('\n\n');
}

function formParts(layer: Layer, registry: Registry): string[] {
  const { title, listener, cluster } = layer;
  return [
    prose(title),
    `It stands on ${protocolsOf(layer, registry, '../')}.`,
    ...(listener ? [fieldsOf(listener, 'listener')] : []),
    ...(cluster ? [fieldsOf(cluster, 'cluster')] : []),
  ];
}

function fieldsOf({ schema }: LayerSide, role: string): string {
  const made = Object.entries(schema).map(([field, make]): [string, TSchema] => [field, make(parts)]);
  const properties = Object.fromEntries(made);
  return `In the \`spec\` of a ${role}:\n\n${fieldTable({ properties } as Schema)}`;
}

function protocolsOf(layer: Layer, registry: Registry, base: string): string {
  return suitable(layer, registry)
    .map(({ name }) => `[${name}](${base}${pageOf(name)})`)
    .join(', ');
}

/** Those that it may stand on, and those that have its fields where they stand on one of these. */
function suitable(layer: Layer, registry: Registry): Protocol[] {
  return registry.all().filter(({ name, listener, cluster }) => {
    const side = (listener ?? cluster) as ListenerSide;
    if (side.standsOn) {
      const below = side.standsOn.otherwise;
      return below?.fields.includes(layer.name) && suits(layer, below.protocol, registry.listener(below.protocol));
    }
    return side.transport === true && side.layers !== false && suits(layer, name, side);
  });
}

function suits(layer: Layer, protocol: string, side: ListenerSide): boolean {
  return kindsOf(side).some((kind) => layer.suits({ protocol, kind, lossy: side.lossy === true }));
}

function kindsOf(side: ListenerSide | undefined) {
  return typeof side?.kind === 'string' ? ([side.kind] as const) : (['stream', 'datagram'] as const);
}
