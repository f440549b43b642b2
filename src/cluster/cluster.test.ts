import assert from 'node:assert/strict';
import { test } from 'node:test';
import { L7mpError } from '../core/errors.ts';
import { LocalCount } from '../counts/counter.ts';
import { makeCounts } from '../counts/memory.ts';
import { SharedCounts } from '../counts/shared-counts.ts';
import type { ClusterDefinition, EndpointDefinition } from '../model/definitions.ts';
import { Cluster } from './cluster.ts';
import { Endpoint } from './endpoint.ts';

const SESSION = { metadata: {} };
const REFUSED = new L7mpError('E_CONNECT', 'connection refused');

function definitionOf(name: string, more: Partial<EndpointDefinition> = {}): EndpointDefinition {
  return { kind: 'endpoint', name, cluster: 'c', address: '192.0.2.1', port: undefined, weight: 1, ...more };
}

/** A cluster of endpoints, and the lines that it has logged. */
function clusterOf(endpoints: readonly Endpoint[], policy = 'LeastSessions', options = {}) {
  const lines: string[] = [];
  const log = { enabled: () => true, write: (_level: string, _name: string, text: string) => void lines.push(text) };
  const definition = { kind: 'cluster', name: 'c', spec: {}, loadbalancer: { policy }, options };
  const known = new Map(endpoints.map((endpoint) => [endpoint.name, endpoint]));
  const never = {} as never;
  return {
    cluster: new Cluster(definition as unknown as ClusterDefinition, never, never, 'stream', known, log),
    lines,
  };
}

test('the state of an endpoint says what is known of it', () => {
  const endpoint = new Endpoint(definitionOf('e'), new LocalCount());
  const { cluster, lines } = clusterOf([endpoint]);
  assert.equal(endpoint.state, 'unknown');
  cluster.outcome({ endpoint, took: 3 }, REFUSED);
  assert.equal(endpoint.state, 'ejected');
  cluster.outcome({ endpoint, took: 1 });
  assert.equal(endpoint.state, 'up');
  endpoint.definition = definitionOf('e', { weight: 0 });
  assert.equal(endpoint.state, 'draining');
  assert.match(lines[0] ?? '', /^endpoint e \(192\.0\.2\.1\) is down: connection refused \(after 3 ms\); /);
  assert.match(lines[1] ?? '', /^endpoint e \(192\.0\.2\.1\) answers again /);
});

test('without fail_timeout an endpoint that cannot be reached keeps its share, and is not tried beside sessions', () => {
  const endpoints = ['dead', 'live'].map((name) => new Endpoint(definitionOf(name), new LocalCount()));
  const [dead] = endpoints as [Endpoint, Endpoint];
  const { cluster } = clusterOf(endpoints, 'RoundRobin', { fail_timeout: 0 });
  cluster.outcome({ endpoint: dead, took: 1 }, REFUSED);
  cluster.slower(dead, 1);
  assert.equal(cluster.due(), undefined);
  const picked = Array.from({ length: 10 }, () => cluster.pick(SESSION)?.name);
  assert.equal(picked.filter((name) => name === 'dead').length, 5);
});

test('an endpoint whose handshakes take long is given twice as long before another one is dialled beside it', () => {
  const endpoint = new Endpoint(definitionOf('e'), new LocalCount());
  const { cluster } = clusterOf([endpoint]);
  const unknown = endpoint.patience;
  cluster.outcome({ endpoint, took: 1 });
  assert.equal(endpoint.patience, unknown);
  cluster.outcome({ endpoint, took: 2 * unknown });
  assert.equal(endpoint.patience, 4 * unknown);
});

test('the endpoint with the fewest sessions is that of all data planes', () => {
  const memory = makeCounts({ workers: 2, sessions: 10 });
  const planes = [0, 1].map((worker) => {
    const counts = new SharedCounts(memory, worker);
    const [first, second] = ['a', 'b'].map((name) => Endpoint.counted(definitionOf(name), counts));
    return {
      ...clusterOf([first as Endpoint, second as Endpoint]),
      first: first as Endpoint,
      second: second as Endpoint,
    };
  });
  const [one, other] = planes as [(typeof planes)[0], (typeof planes)[0]];
  one.first.connecting++;
  assert.equal(other.cluster.pick(SESSION)?.name, 'b');
  other.second.sessions += 2;
  assert.equal(one.cluster.pick(SESSION)?.name, 'a');
  one.first.connecting--;
  one.first.sessions += 3;
  assert.equal(other.cluster.pick(SESSION)?.name, 'b');
  assert.deepEqual([other.first.sessions, other.first.load], [0, 3]);
});

test('an endpoint that takes the place of another one of its name begins without load, unless it is at the same place', () => {
  const counts = SharedCounts.alone();
  const old = Endpoint.counted(definitionOf('e'), counts);
  old.sessions++;
  const moved = Endpoint.counted(definitionOf('e', { port: 80 }), counts);
  const again = Endpoint.counted(definitionOf('e'), counts);
  old.close();
  assert.deepEqual([moved.load, again.load], [0, 1]);
  old.sessions--;
  assert.equal(again.load, 0);
});
