/** Which change does what: asked of the code that decides it. */
import { clusterOptions, listenerOptions } from '../../src/config/schema.ts';
import { optionsOf, schemaOf } from '../../src/config/side-schema.ts';
import type { Registry } from '../../src/core/registry.ts';
import type { ClusterDefinition, Definition, ListenerDefinition } from '../../src/model/definitions.ts';
import { ALL_KINDS } from '../../src/model/kinds.ts';
import { restartsOf } from '../../src/reconcile/restarts.ts';
import { table } from './tables.ts';

const OPTIONS = { listener: listenerOptions, cluster: clusterOptions };
const FIELDS = { listener: ['spec', 'rules'], cluster: ['spec', 'loadbalancer', 'endpoints'] };

export function changeTable(registry: Registry): string {
  const restarts = restartsOf(registry);
  const row = (side: Side): string[] => {
    const isOpened = ({ protocol, field }: Field): boolean => restarts(definitionOf(side, protocol), `/${field}`);
    const all = fieldsOf(registry, side);
    const shown = (list: readonly Field[]): string => list.map(({ field, of }) => `\`${field}\`${of}`).join(', ');
    // Of a specification nearly all are opened anew: those that are not are named.
    const opened = all.filter((one) => isOpened(one) && (one.of === '' || !one.field.startsWith('spec/')));
    return [side, shown(opened), shown(all.filter((one) => !isOpened(one)))];
  };
  const others = [ALL_KINDS.filter((kind) => !(kind in FIELDS)).join(', '), '', 'everything'];
  return table(['Object', 'Opened anew by a change of', 'Changes in place'], [row('listener'), row('cluster'), others]);
}

type Side = 'listener' | 'cluster';

/** A field, and whose it is in words, where it is not everybody's. */
interface Field {
  readonly protocol: string;
  readonly field: string;
  readonly of: string;
}

function fieldsOf(registry: Registry, side: Side): Field[] {
  const common = [...FIELDS[side], ...Object.keys(OPTIONS[side]).map((option) => `options/${option}`)];
  const any = registry.all().find((protocol) => protocol[side]);
  const own = registry.all().flatMap(({ name, [side]: one }) => {
    const spec = Object.keys(one ? schemaOf(one).properties : {}).map((field) => `spec/${field}`);
    const options = Object.keys(one ? optionsOf(one) : {}).map((option) => `options/${option}`);
    return [...spec, ...options].map((field) => ({ protocol: name, field, of: ` (${name})` }));
  });
  return [...common.map((field) => ({ protocol: any?.name as string, field, of: '' })), ...own];
}

function definitionOf(kind: 'listener' | 'cluster', protocol: string): Definition {
  const common = { name: kind, spec: { protocol }, options: {} };
  if (kind === 'listener') return { ...common, kind, rules: '' } satisfies ListenerDefinition;
  return { ...common, kind, owner: undefined, loadbalancer: { policy: 'Trivial' } } satisfies ClusterDefinition;
}
