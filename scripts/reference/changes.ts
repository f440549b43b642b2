/** Which change does what: asked of the code that decides it. */
import { clusterOptions, listenerOptions } from '../../src/config/schema.ts';
import type { Registry } from '../../src/core/registry.ts';
import type { ClusterDefinition, Definition, ListenerDefinition } from '../../src/model/definitions.ts';
import { ALL_KINDS } from '../../src/model/kinds.ts';
import { restartsOf } from '../../src/reconcile/restarts.ts';
import { table } from './tables.ts';

const OPTIONS = { listener: listenerOptions, cluster: clusterOptions };
const FIELDS = { listener: ['spec', 'rules'], cluster: ['spec', 'loadbalancer', 'endpoints'] };

export function changeTable(registry: Registry): string {
  const restarts = restartsOf(registry);
  const row = (side: 'listener' | 'cluster'): string[] => {
    const common = [...FIELDS[side], ...Object.keys(OPTIONS[side]).map((option) => `options/${option}`)];
    const any = registry.all().find((protocol) => protocol[side]);
    const own = registry.all().flatMap(({ name, [side]: one }) =>
      Object.keys(one?.options ?? {}).map((option) => ({
        protocol: name,
        field: `options/${option}`,
        of: ` (${name})`,
      })),
    );
    const all = [...common.map((field) => ({ protocol: any?.name as string, field, of: '' })), ...own];
    const opened = all.filter(({ protocol, field }) => restarts(definitionOf(side, protocol), `/${field}`));
    const shown = (list: typeof all): string => list.map(({ field, of }) => `\`${field}\`${of}`).join(', ');
    return [side, shown(opened), shown(all.filter((one) => !opened.includes(one)))];
  };
  const others = [ALL_KINDS.filter((kind) => !(kind in FIELDS)).join(', '), '', 'everything'];
  return table(['Object', 'Opened anew by a change of', 'Changes in place'], [row('listener'), row('cluster'), others]);
}

function definitionOf(kind: 'listener' | 'cluster', protocol: string): Definition {
  const common = { name: kind, spec: { protocol }, options: {} };
  if (kind === 'listener') return { ...common, kind, rules: '' } satisfies ListenerDefinition;
  return { ...common, kind, owner: undefined, loadbalancer: { policy: 'Trivial' } } satisfies ClusterDefinition;
}
