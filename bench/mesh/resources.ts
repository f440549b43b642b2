/** A hundred resources, all of them on every proxy. */

const own = (kind: string, name: string, spec: object): object => ({
  apiVersion: 'l7mp.io/v1',
  kind,
  metadata: { name, namespace: 'default' },
  spec,
});

/** How many Targets there are, each with a group of backends; and VirtualServices, each on a port. */
export const GROUPS = 40;

export const RESOURCES: readonly (readonly [plural: string, object: object])[] = [
  ...range(GROUPS, (n) => [
    'targets',
    own('Target', `target-${n}`, {
      cluster: {
        spec: { UDP: { port: 9000 } },
        endpoints: [{ selector: { matchLabels: { app: 'backend', group: String(n) } } }],
        loadbalancer: { policy: 'ConsistentHash' },
      },
    }),
  ]),
  ...range(10, (n) => [
    'routes',
    own('Route', `route-${n}`, {
      route: { destinationRef: `target-${n}`, retry: { retry_on: 'always', num_retries: 3, timeout: 2000 } },
    }),
  ]),
  ...range(5, (n) => ['rulelists', own('RuleList', `rules-${n}`, { rules: [{ action: { routeRef: `route-${n}` } }] })]),
  ...range(5, (n) => [
    'rules',
    own('Rule', `rule-${n}`, {
      rulelist: `rules-${n}`,
      position: 0,
      rule: {
        match: { op: 'starts', path: '/source/remote/address', value: `192.0.2.${n}` },
        action: { routeRef: `route-${n + 5}` },
      },
    }),
  ]),
  ...range(GROUPS, (n) => [
    'virtualservices',
    own('VirtualService', `service-${n}`, {
      selector: { matchLabels: { app: 'standin' } },
      listener: {
        spec: { UDP: { port: 10_000 + n } },
        ...(n < 5
          ? { rulesRef: `rules-${n}` }
          : { rules: [{ action: { route: { destinationRef: `target-${n}`, retry: { retry_on: 'always' } } } }] }),
      },
    }),
  ]),
];

function range<T>(count: number, make: (n: number) => readonly [string, T]): (readonly [string, T])[] {
  return Array.from({ length: count }, (_, n) => make(n));
}
