import type { Definition } from '../model/definitions.ts';

/** An object as one writes it, with the names of those that it refers to. */
export function written(definition: Definition): Record<string, unknown> {
  switch (definition.kind) {
    case 'listener': {
      const { name, spec, rules, options } = definition;
      return { name, spec, rules, options };
    }
    case 'rulelist': {
      const { name, rules } = definition;
      return { name, rules };
    }
    case 'route': {
      const { name, destination, ingress, egress, retry } = definition;
      return { name, destination, ingress, egress, retry };
    }
    case 'cluster': {
      const { name, spec, loadbalancer, options } = definition;
      return { name, spec, loadbalancer, options };
    }
    case 'rule': {
      const { name, match, rewrite, route, apply } = definition;
      return { name, match, action: { rewrite, route, apply } };
    }
    case 'endpoint': {
      const { name, address, port, weight } = definition;
      return { name, spec: { address, ...(port !== undefined && { port }) }, weight };
    }
  }
}
