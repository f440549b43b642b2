import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { Authority, texts } from '../../../../test/support/certificates.ts';
import type { AnyObject } from '../resources/objects.ts';
import { GatewayFront } from './front.ts';
import { isOurs } from './gateway.ts';
import { addressesOf, infrastructureOf } from './infrastructure.ts';
import { infrastructureName } from './names.ts';
import type { GatewayClass, Route } from './objects.ts';
import { classStatus, gatewayStatus, routeStatus } from './status.ts';
import { keyOf, Objects, objectsOf } from './testing.ts';

const NOW = '2026-11-29T09:00:00Z';
const GOLDENS = new URL('goldens/', import.meta.url);
const cases = readdirSync(GOLDENS).filter((name) => !name.endsWith('.expected.yaml'));
/**
 * `<cert:a.example,b.example>` and `<key:a.example,b.example>` in a golden are a certificate for these names, and its key, made
 * for this run; with `+damaged` there is one behind it that cannot be read.
 */
const placeholders = cases.flatMap((file) =>
  [...readText(file).matchAll(/<cert:([^>+]*)>/g)].map(([, names]) => names),
);
const pems = new Map<string, string>();
const authority = await Authority.make(after);
for (const names of new Set(placeholders)) {
  const sans = (names as string).split(',').map((name) => `DNS:${name}`);
  const { cert, key } = texts(await authority.issue({ names: sans.join() }));
  pems.set(`<cert:${names}>`, cert).set(`<key:${names}>`, key);
}

const PROXY = { image: 'l7mp/l7mp:test', port: 1234 };

/** All that a front says, in an order of its own. Each listener is on one of one proxies. */
function told(front: GatewayFront, objects: Objects, derived: Iterable<string>): object {
  const byName = (a: string, b: string): number => (a < b ? -1 : 1);
  const progress = () => ({ selected: 1, programmed: 1 });
  const classes = [...objects.list('GatewayClass')].map((one) => one as unknown as GatewayClass).filter(isOurs);
  const gateways = [...front.gateways].sort(([a], [b]) => byName(a, b));
  const routes = [...objects.list('UDPRoute'), ...objects.list('TCPRoute')].map((one) => one as unknown as Route);
  const wanted = gateways.map(([key, view]) => [key, infrastructureOf(view, PROXY)] as const);
  const status = (key: string, value: object | undefined): [string, unknown] => [key, value ?? 'unchanged'];
  return {
    derived: Object.fromEntries([...derived].sort(byName).map((name) => [name, unsecret(front.get(name)?.spec)])),
    status: Object.fromEntries([
      ...classes.map((one) => status(`GatewayClass/${one.metadata.name}`, classStatus(one, NOW))),
      ...gateways.map(([key, view]) => {
        const { namespace, name } = view.gateway.metadata;
        const service = objects.get('Service', namespace, infrastructureName(name, view.gateway.spec.gatewayClassName));
        return status(key, gatewayStatus(view, { progress, addresses: service ? addressesOf(service) : [] }, NOW));
      }),
      ...routes
        .map((route) => {
          const key = `${route.kind}/${route.metadata.namespace}/${route.metadata.name}`;
          return status(key, routeStatus(route, front.routes.get(key), front.gateways, NOW));
        })
        .sort(([a], [b]) => byName(a, b)),
    ]),
    services: Object.fromEntries(
      wanted.map(([key, made]) => [key, made ? { [made.name]: made.service.spec } : 'none']),
    ),
  };
}

function readText(file: string): string {
  return readFileSync(new URL(file, GOLDENS), 'utf8');
}

function objectsIn(file: string): AnyObject[] {
  const text = readText(file).replaceAll(/<(?:cert|key):[^>]*>/g, (name) => {
    const [first, damaged] = name.split('+');
    const pem = damaged
      ? `${pems.get(`${first}>`)}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`
      : pems.get(name);
    return Buffer.from(pem ?? '').toString('base64');
  });
  return objectsOf(text);
}

/** With the names of certificates and keys in place of them. */
function unsecret(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unsecret);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, unsecret(field)]));
  }
  return [...pems].find(([, pem]) => pem === value)?.[0] ?? value;
}

function frontOf(given: readonly AnyObject[]) {
  const objects = new Objects();
  const keys = given.map((object) => objects.set(object));
  const front = new GatewayFront(objects, { proxyPort: 1234 });
  const { derived } = front.update(keys);
  return { objects, front, derived };
}

describe('the Gateway API as a second front', () => {
  for (const file of cases) {
    // UPDATE_GOLDENS=1 writes what comes out; what changes is to be read before it is committed.
    it(`says what is expected of ${file}`, () => {
      const { objects, front, derived } = frontOf(objectsIn(file));
      const text = stringify(told(front, objects, derived), { lineWidth: 120, aliasDuplicateObjects: false });
      const expected = new URL(file.replace('.yaml', '.expected.yaml'), GOLDENS);
      if (process.env.UPDATE_GOLDENS) writeFileSync(expected, text);
      assert.equal(text, readFileSync(expected, 'utf8'));
    });
  }
});

const all = cases.map((file) => objectsIn(file));

describe('events', () => {
  it('end in the same, in whatever order objects come, change and go', () => {
    const property = fc.property(
      fc.constantFrom(...all).chain((objects) => fc.tuple(fc.constant(objects), history(objects))),
      ([, steps]) => {
        const objects = new Objects();
        const front = new GatewayFront(objects, { proxyPort: 1234 });
        const names = new Set<string>();
        for (const batch of steps) {
          const keys = batch.map(({ object, gone }) => {
            const key = objects.set(object);
            if (gone) objects.delete(key);
            return key;
          });
          for (const name of front.update(keys).derived) front.get(name) ? names.add(name) : names.delete(name);
        }
        const rest = [
          'GatewayClass',
          'Gateway',
          'UDPRoute',
          'TCPRoute',
          'Service',
          'EndpointSlice',
          'ReferenceGrant',
          'Namespace',
          'Secret',
        ];
        const fresh = frontOf(rest.flatMap((kind) => [...objects.list(kind as 'Service')]));
        assert.deepEqual(told(front, objects, names), told(fresh.front, fresh.objects, fresh.derived));
      },
    );
    fc.assert(property, { numRuns: 500 });
  });

  it('look again at nothing but what they concern', () => {
    const text = readFileSync(new URL('weights.yaml', GOLDENS), 'utf8');
    const { objects, front } = frontOf([
      ...objectsOf(text),
      ...objectsOf(text.replaceAll(/name: (edge|canary|stable)\b/g, 'name: $1-2')),
    ]);
    const slice = objects.get('EndpointSlice', 'default', 'canary-1');
    assert.ok(slice);
    const key = objects.set({ ...slice, endpoints: [{ addresses: ['10.244.2.1'] }, { addresses: ['10.244.2.2'] }] });
    const changes = front.update([key]);
    assert.deepEqual([...changes.gateways], []);
    assert.deepEqual([...changes.routes], ['TCPRoute/default/canary']);
    assert.deepEqual([...changes.derived], ['/gateway.networking.k8s.io/v1/TCPRoute/default/canary/backends']);
  });

  it('that write a status make no derived object another one', () => {
    const { objects, front } = frontOf(objectsOf(readFileSync(new URL('udp.yaml', GOLDENS), 'utf8')));
    const gateway = objects.get('Gateway', 'default', 'edge');
    assert.ok(gateway);
    const written = { ...gateway, metadata: { ...gateway.metadata, resourceVersion: '2' }, status: {} };
    const changes = front.update([objects.set(written)]);
    assert.deepEqual([...changes.derived], []);
    assert.deepEqual([...changes.gateways], ['Gateway/default/edge']);
  });
});

/** Most of the objects at once, then few at a time: they come, change and go, in any order and more than once. */
function history(objects: readonly AnyObject[]) {
  const step = fc.record({
    object: fc.constantFrom(...objects).chain((object) => fc.constantFrom(object, changed(object))),
    gone: fc.boolean(),
  });
  const first = fc
    .shuffledSubarray([...objects], { minLength: objects.length - 1 })
    .map((some) => some.map((object) => ({ object, gone: false })));
  return fc
    .tuple(first, fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { maxLength: 8 }))
    .map(([all, more]) => [all, ...more]);
}

/** As it may be before or after: with less in its lists, other labels, a later generation. */
function changed(object: AnyObject): AnyObject {
  const labelled = object.kind === 'EndpointSlice' || object.kind === 'Namespace';
  const labels = labelled ? { 'kubernetes.io/service-name': 's', tier: 'web' } : object.metadata.labels;
  const metadata = { ...object.metadata, labels, generation: object.metadata.generation + 1 };
  const spec = 'spec' in object && { ...object.spec, parentRefs: [], gatewayClassName: 'l7mp', ports: [] };
  const type = object.kind === 'Secret' && { type: 'Opaque' };
  return { ...object, ...(spec && { spec }), ...type, metadata } as unknown as AnyObject;
}

it('a key names its object', () => {
  const [object] = objectsOf('{ kind: Namespace, metadata: { name: a } }');
  assert.deepEqual(object && keyOf(object), { kind: 'Namespace', namespace: '', name: 'a' });
});
