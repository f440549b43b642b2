/** Clusters and their endpoints. */
import { EndpointSchema, LoadBalancerSchema } from '../../src/config/schema.ts';
import type { Registry } from '../../src/core/registry.ts';
import { POLICIES } from '../../src/model/policy.ts';
import { LONGEST_HOST } from './addresses.ts';
import { structural } from './convert.ts';
import { OLD_NAME } from './names.ts';
import { endpointChecks, optionChecks, optionsSchema, specSchema } from './protocols.ts';
import { atMostOne, exactlyOne, type Schema } from './schema.ts';
import { selectorSchema } from './selector.ts';

function endpointSchema(): Schema {
  const { properties = {}, ...whole } = structural(EndpointSchema);
  const { properties: fields = {}, ...spec } = properties.spec as Schema;
  return {
    ...whole,
    description: 'An endpoint, or all pods that a selector takes.',
    part: 'endpoint',
    required: [],
    properties: {
      ...properties,
      spec: {
        ...spec,
        description: 'An endpoint by its address.',
        required: [],
        properties: {
          ...fields,
          address: { ...(fields.address as Schema), maxLength: LONGEST_HOST },
          filename: { ...(fields.address as Schema), description: 'The path of a socket, in place of an address.' },
        },
        checks: [exactlyOne(['address', 'filename'], 'address or filename must be given, and not both')],
      },
      selector: selectorSchema('The pods that are endpoints, with their IP addresses.'),
    },
    checks: [
      exactlyOne(['spec', 'selector'], 'spec or selector must be given, and not both'),
      {
        rule: '!has(self.weight) || !has(self.spec) || !has(self.spec.weight)',
        message: 'weight stands beside spec or in it, and not in both',
        schema: { not: { required: ['weight', 'spec'], properties: { spec: { required: ['weight'] } } } },
      },
      atMostOne(['name', 'selector'], 'name: endpoints of a selector are named after their pods'),
    ],
  };
}

/** `spec` is not required: a Target with a linkedVirtualService has none. */
export function clusterSchema(registry: Registry, description: string): Schema {
  const { properties = {}, ...balancer } = structural(LoadBalancerSchema);
  return {
    type: 'object',
    description,
    part: 'cluster',
    properties: {
      name: OLD_NAME,
      spec: specSchema(registry, 'cluster'),
      endpoints: {
        type: 'array',
        description: 'Where sessions go. Transforms such as Echo have none.',
        maxItems: 1024,
        items: endpointSchema(),
      },
      loadbalancer: {
        ...balancer,
        description: 'How the endpoint of a session is chosen.',
        properties: { ...properties, policy: { ...properties.policy, default: POLICIES[0] } },
      },
      options: optionsSchema(registry, 'cluster'),
    },
    checks: [...optionChecks(registry, 'cluster'), ...endpointChecks(registry)],
  };
}
