/** The tables of the custom resources' fields: of each kind, and of what stands in several of them. */
import type { Registry } from '../../src/core/registry.ts';
import { kinds, objectSchema } from '../crds/kinds.ts';
import { sidesOf } from '../crds/protocols.ts';
import type { Schema as Structural } from '../crds/schema.ts';
import { pageOf } from './protocols.ts';
import { fieldTable, prose, type Schema } from './tables.ts';

/** The parts that have a table of their own. */
const PARTS = ['selector', 'listener', 'rule', 'match', 'route', 'retry', 'cluster', 'endpoint'];

export function customResourceBlocks(registry: Registry): Map<string, string> {
  const blocks = new Map<string, string>();
  for (const definition of kinds(registry)) {
    const { spec, status } = objectSchema(definition).properties as Record<string, Structural>;
    const { kind, description } = definition;
    blocks.set(`kind-${kind.toLowerCase()}`, `${prose(description)}\n\n${fieldTable(spec as Schema)}`);
    blocks.set('kind-status', fieldTable(status as Schema));
    for (const [part, schema] of partsIn(spec as Structural)) blocks.set(`part-${part}`, fieldTable(schema as Schema));
  }
  const names = (role: 'listener' | 'cluster'): string =>
    [...sidesOf(registry, role).keys()].map((name) => `[${name}](${pageOf(name)})`).join(', ');
  blocks.set('part-protocols', `Of listeners: ${names('listener')}.\n\nOf clusters: ${names('cluster')}.`);
  return blocks;
}

function partsIn(schema: Structural): [string, Structural][] {
  const { part, description, properties = {}, items } = schema;
  const within = [...Object.values(properties), ...(items ? [items] : [])].flatMap(partsIn);
  // Where it has no description, it is one that stands again.
  return part !== undefined && description && PARTS.includes(part) ? [...within, [part, schema]] : within;
}
