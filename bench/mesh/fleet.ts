/** The pods of the bench, as objects: proxies that stand-ins answer for, and backends that nobody asks. */
import type { Api, KubeObject } from '../../test/mesh/support/api.ts';

/** Requests to the API server at a time. */
const AT_ONCE = 32;
const PODS = '/api/v1/namespaces/default/pods';

/** Below 10.244.128.0/17 are proxies, below 10.244.64.0/18 backends. */
const address = (first: number, n: number): string => `10.244.${first + (n >> 8)}.${n & 255}`;
export const PROXY_NET = '10.244.128.0/17';

interface Description {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly address: string;
  readonly port: number;
}

export function proxies(count: number): Description[] {
  return Array.from({ length: count }, (_, n) => ({
    name: `proxy-${n}`,
    labels: { app: 'standin' },
    address: address(128, n + 1),
    port: 1234,
  }));
}

/** Two for each of the groups, which targets select. */
export function backends(groups: number): Description[] {
  return Array.from({ length: 2 * groups }, (_, n) => ({
    name: `backend-${n}`,
    labels: { app: 'backend', group: String(n % groups) },
    address: address(64, n + 1),
    port: 9000,
  }));
}

/** Makes the pods, and says that they run. */
export async function makePods(api: Api, all: readonly Description[]): Promise<void> {
  const queue = [...all];
  const worker = async (): Promise<void> => {
    for (let one = queue.pop(); one; one = queue.pop()) {
      await api.request('POST', PODS, manifest(one));
      await setReady(api, one, true);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

export function setReady(api: Api, { name, address: podIP }: Description, ready: boolean): Promise<KubeObject> {
  const status = ready ? 'True' : 'False';
  return api.patch(`${PODS}/${name}/status`, {
    status: {
      phase: 'Running',
      podIP,
      podIPs: [{ ip: podIP }],
      conditions: [
        { type: 'ContainersReady', status },
        { type: 'Ready', status },
      ],
      containerStatuses: [
        { name: 'l7mp', image: 'l7mp/l7mp', imageID: '', containerID: `test://${name}`, ready, restartCount: 0 },
      ],
    },
  });
}

function manifest({ name, labels, port }: Description): object {
  // On no node of the tests' kubelet, which therefore leaves them alone.
  const containers = [{ name: 'l7mp', image: 'l7mp/l7mp', ports: [{ containerPort: port }] }];
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels }, spec: { nodeName: 'fleet', containers } };
}
