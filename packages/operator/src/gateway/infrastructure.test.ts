import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { stringify } from 'yaml';
import type { Service } from '../resources/objects.ts';
import { GatewayFront } from './front.ts';
import { addressesOf, infrastructureOf } from './infrastructure.ts';
import { infrastructureName, labelValue } from './names.ts';
import { Objects, objectsOf } from './testing.ts';

const GOLDENS = new URL('goldens/', import.meta.url);

function infrastructure(gateway: string) {
  const objects = new Objects();
  const text = `{ kind: GatewayClass, metadata: { name: l7mp }, spec: { controllerName: l7mp.io/gateway-operator } }\n---\n${gateway}`;
  const front = new GatewayFront(objects, { proxyPort: 1234 });
  front.update(objectsOf(text).map((object) => objects.set(object)));
  const [view] = front.gateways.values();
  assert.ok(view);
  const tokenSecret = { name: 'l7mp-token', key: 'token' };
  return infrastructureOf(view, { image: 'l7mp/l7mp:test', port: 1234, logLevel: 'warn', tokenSecret });
}

const LISTENERS = 'listeners: [{ name: dns, protocol: UDP, port: 53 }, { name: web, protocol: TCP, port: 53 }]';

describe('the infrastructure of a Gateway', () => {
  it('is a Deployment of proxies with nothing but their API, and a Service with the listeners’ ports', () => {
    const labels =
      'labels: { team: dns, app.kubernetes.io/managed-by: me }, annotations: { l7mp.io/service-type: NodePort }';
    const text = stringify(
      infrastructure(
        `{ kind: Gateway, metadata: { name: edge }, spec: { gatewayClassName: l7mp, infrastructure: { ${labels} }, ${LISTENERS} } }`,
      ),
      { lineWidth: 120, aliasDuplicateObjects: false },
    );
    const expected = new URL('infrastructure.expected.yaml', GOLDENS);
    if (process.env.UPDATE_GOLDENS) writeFileSync(expected, text);
    assert.equal(text, readFileSync(expected, 'utf8'));
  });

  it('asks for the address that the Gateway asks for', () => {
    const gateway = (annotations: string): string =>
      `{ kind: Gateway, metadata: { name: edge, annotations: ${annotations} }, spec: { gatewayClassName: l7mp, addresses: [{}, { value: 192.0.2.7 }], ${LISTENERS} } }`;
    const balanced = infrastructure(gateway('{}'))?.service.spec;
    assert.equal(balanced && 'loadBalancerIP' in balanced && balanced.loadBalancerIP, '192.0.2.7');
    const internal = infrastructure(gateway('{ l7mp.io/service-type: ClusterIP }'))?.service.spec;
    assert.equal(internal && 'clusterIP' in internal && internal.clusterIP, '192.0.2.7');
  });

  it('has names that a Service and a label can have, and that differ where the Gateways do', () => {
    assert.equal(infrastructureName('edge', 'l7mp'), 'edge-l7mp');
    assert.equal(labelValue('edge'), 'edge');
    const long = 'a'.repeat(253);
    const odd = [long, `${long.slice(1)}b`, '9edge', 'edge.dns', 'edge-dns'].map((name) =>
      infrastructureName(name, 'l7mp'),
    );
    for (const name of odd) assert.match(name, /^[a-z][a-z0-9-]{0,61}[a-z0-9]$/);
    assert.equal(new Set(odd).size, odd.length);
    for (const name of [long, `${'a'.repeat(52)}.${'b'.repeat(60)}`])
      assert.match(labelValue(name), /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/);
  });

  it('is reached where its Service is', () => {
    const addresses = (service: object) => addressesOf(service as Service).map(({ type, value }) => `${type} ${value}`);
    assert.deepEqual(addresses({ spec: { type: 'LoadBalancer', clusterIPs: ['10.0.0.1'] } }), []);
    const ingress = [{ ip: '192.0.2.1' }, { hostname: 'lb.example' }, {}];
    assert.deepEqual(addresses({ spec: { type: 'LoadBalancer' }, status: { loadBalancer: { ingress } } }), [
      'IPAddress 192.0.2.1',
      'Hostname lb.example',
    ]);
    assert.deepEqual(addresses({ spec: { type: 'ClusterIP', clusterIPs: ['10.0.0.1', 'fd00::1'] } }), [
      'IPAddress 10.0.0.1',
      'IPAddress fd00::1',
    ]);
    assert.deepEqual(addresses({ spec: { type: 'ClusterIP', clusterIP: 'None' } }), []);
  });
});
