/** A service of a few objects, as tests wish for it, and what is there of it. */
import type { Client, Config } from '@l7mp/client';
import { KINDS, type Kind } from '../src/proxies/objects.ts';
import type { Written } from './proxies.ts';

export const at = (kind: string, name: string) => `/l7mp.io/v1/${kind}/default/${name}`;
export const listenerName = at('VirtualService', 'web');
export const cluster = at('Target', 'web');
export const local = { address: '127.0.0.1' };

/** A UDP listener, and the objects on the way to the endpoints, each by itself. */
export function service(port: number, endpoints: Readonly<Record<string, object>>, balancer: object = {}): Written {
  return {
    clusters: { [cluster]: { spec: { protocol: 'UDP', port: 9 }, ...balancer, endpoints: endpoints as never } },
    routes: { [at('Route', 'web')]: { destination: cluster, retry: { retry_on: 'always', timeout: 100 } } },
    rules: { [at('Rule', 'web')]: { action: { route: at('Route', 'web') } } },
    rulelists: { [at('RuleList', 'web')]: { rules: [at('Rule', 'web')] } },
    listeners: { [listenerName]: { spec: { protocol: 'UDP', port, ...local }, rules: at('RuleList', 'web') } },
  };
}

export const namesOf = (config: Config, kind: Kind) => (config[kind] ?? []).map(({ name }) => name);

/** Full names of what is ours on a proxy, kind by kind. */
export async function oursOf(client: Client): Promise<string[]> {
  const { body } = await client.config();
  return KINDS.flatMap((kind) => namesOf(body, kind).filter((name) => name.startsWith('/l7mp.io/')));
}

export async function endpointsOf(client: Client): Promise<{ name?: string; weight?: number }[]> {
  const [first] = (await client.config()).body.clusters ?? [];
  return first?.endpoints as { name?: string; weight?: number }[];
}
