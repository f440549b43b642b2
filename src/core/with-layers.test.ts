import assert from 'node:assert/strict';
import { test } from 'node:test';
import { schemaOf } from '../config/side-schema.ts';
import { Validator } from '../config/validate.ts';
import { fakeHost } from '../testing/fake-host.ts';
import type { Layer } from './layers.ts';
import { defineProtocol, type ListenerHost, type ListenerSide, type Spec } from './protocol.ts';
import { Registry } from './registry.ts';
import { withLayers } from './with-layers.ts';

/** What was listened with, from the top down. */
type Calls = string[];

interface Made {
  readonly calls: Calls;
  readonly refuses?: string;
}

function layer(name: string, { calls, refuses }: Made, kind = 'stream'): Layer {
  return {
    name,
    title: name,
    needs: `needs a ${kind}`,
    suits: (transport) => transport.kind === kind,
    listener: {
      schema: {
        [name]: ({ strict, Type }) => Type.Union([Type.Boolean(), strict({ key: Type.String() })]),
        [`${name}_from`]: ({ Type }) => Type.String(),
      },
      live: [`/spec/${name}_from`],
      aliases: { [`${name}From`]: `${name}_from` },
      files: () => [{ field: `/${name}/key`, path: `${name}.pem`, use: 'read' }],
      secrets: (spec) => (typeof spec[name] === 'object' ? [`/${name}/key`] : []),
      listen: async (_spec, below, host) => {
        calls.push(`${name} on ${Object.keys(below)}`);
        const lower = await host.listenOn(below, () => {});
        return {
          close: () => lower.close(),
          reconfigure: async (after) => {
            calls.push(`${name}: ${after[`${name}_from`]}`);
            if (name === refuses && after[`${name}_from`] === 'bad') throw new Error('refused');
            return true;
          },
        };
      },
    },
  };
}

function bottom(calls: Calls, more: Partial<ListenerSide> = {}) {
  return defineProtocol({
    name: 'Bottom',
    title: '',
    listener: {
      schema: ({ strict, Type }) => strict({ port: Type.Integer() }),
      kind: 'stream',
      transport: true,
      sessionName: () => 's',
      listen: async (spec: Spec) => {
        calls.push(`Bottom with ${Object.keys(spec)}`);
        return { close: async () => void calls.push('closed') };
      },
      ...more,
    },
  });
}

/** Port 2 is one of datagrams. */
const KIND = (spec: unknown) => ((spec as { port: number }).port === 2 ? 'datagram' : 'stream');

const SPEC: Spec = { protocol: 'Bottom', port: 1 };

/** A protocol with two layers, `wire` below `top`, and what its listener gets. */
function made(refuses?: string, more?: Partial<ListenerSide>) {
  const calls: Calls = [];
  const given = { calls, ...(refuses !== undefined && { refuses }) };
  const protocol = withLayers(bottom(calls, more), [layer('wire', given), layer('top', given)]);
  const registry = new Registry([protocol]);
  const host: ListenerHost = { ...fakeHost(), listenOn: (spec) => registry.listener('Bottom').listen(spec, host) };
  const listen = (fields: object) => registry.listener('Bottom').listen({ ...SPEC, ...fields }, host);
  return { calls, registry, listen };
}

const problemOf = (registry: Registry, spec: object): string => {
  try {
    new Validator(registry).listener({ name: 'l', spec: { ...SPEC, ...spec }, rules: [] }, '/l');
    return 'none';
  } catch (error) {
    return (error as Error).message;
  }
};

test('layers stand in the order of the list, each on the specification without its own fields', async () => {
  const { calls, listen } = made();
  await listen({ top: true, wire: true, wire_from: 'x' });
  assert.deepEqual(calls.splice(0), [
    'top on protocol,port,wire,wire_from',
    'wire on protocol,port',
    'Bottom with protocol,port',
  ]);
  await listen({});
  assert.deepEqual(calls, ['Bottom with protocol,port']);
});

test('a protocol that nothing may stand on, that stands on another one or wants none has no layers', () => {
  for (const more of [{ transport: false }, { standsOn: { field: 'port' } }, { layers: false as const }]) {
    const { registry } = made(undefined, more);
    assert.deepEqual(Object.keys(schemaOf(registry.listener('Bottom')).properties), ['port']);
  }
});

test('the fields are checked: their form, that the layer is there, and that it suits this specification', () => {
  const { registry } = made(undefined, { kind: KIND });
  assert.equal(problemOf(registry, { top: true, wire: { key: 'k' }, wireFrom: 'x' }), 'none');
  assert.match(problemOf(registry, { top: 1 }), /^\/l\/spec\/top/);
  assert.match(problemOf(registry, { top: { keys: 1 } }), /^\/l\/spec\/top/);
  assert.match(problemOf(registry, { wire_from: 'x' }), /^\/l\/spec\/wire_from: means nothing without wire$/);
  assert.match(problemOf(registry, { port: 2, top: true }), /^\/l\/spec\/top: needs a stream$/);
});

test('of two layers with one field, the one that suits the specification is used', async () => {
  const calls: Calls = [];
  const protocol = withLayers(bottom(calls, { kind: KIND }), [
    layer('tls', { calls: [] }, 'stream'),
    layer('tls', { calls }, 'datagram'),
  ]);
  const registry = new Registry([protocol]);
  const host: ListenerHost = { ...fakeHost(), listenOn: (spec) => registry.listener('Bottom').listen(spec, host) };
  assert.equal(problemOf(registry, { port: 2, tls: true }), 'none');
  await registry.listener('Bottom').listen({ ...SPEC, port: 2, tls: true }, host);
  assert.deepEqual(calls, ['tls on protocol,port', 'Bottom with protocol,port']);
});

test('files and secrets are those of the layers that a specification has', () => {
  const { registry } = made();
  const spec = { ...SPEC, top: { key: 'hidden' } };
  assert.deepEqual(registry.filesOf('listener', spec), [{ field: '/top/key', path: 'top.pem', use: 'read' }]);
  assert.deepEqual(registry.shown('listener', spec), { ...SPEC, top: { key: '<redacted>' } });
  assert.equal(spec.top.key, 'hidden');
  assert.deepEqual(registry.secretsOf('listener', { ...SPEC, top: true }), []);
});

test('a change is taken up by the layers that it concerns; one that comes or goes is none in place', async () => {
  const { calls, listen } = made();
  const both = { ...SPEC, wire: true, top: true };
  const { reconfigure } = await listen({ wire: true, top: true });
  calls.length = 0;
  assert.equal(await reconfigure?.({ ...both, wire_from: 'x' }, {}), true);
  assert.deepEqual(calls.splice(0), ['wire: x']);
  assert.equal(await reconfigure?.({ ...both, wire_from: 'x', top_from: 'y' }, {}), true);
  assert.deepEqual(calls.splice(0), ['top: y']);
  assert.equal(await reconfigure?.({ ...SPEC, wire: true }, {}), false);
  assert.equal(await reconfigure?.({ ...SPEC, top: true, top_from: 'y' }, {}), false);
  assert.equal(await reconfigure?.({ ...both, port: 2 }, {}), false);
});

test('where one below cannot take a change up, the one above goes back', async () => {
  const { calls, listen } = made('wire');
  const { reconfigure } = await listen({ wire: true, top: true, top_from: 'old' });
  calls.length = 0;
  const after = { ...SPEC, wire: true, top: true, top_from: 'new', wire_from: 'bad' };
  await assert.rejects(async () => reconfigure?.(after, {}), /refused/);
  assert.deepEqual(calls, ['top: new', 'wire: bad', 'top: old']);
});

test('what was opened below is closed where the layer above cannot be', async () => {
  const calls: Calls = [];
  const broken = layer('top', { calls });
  const listen = async (_spec: Spec, below: Spec, host: ListenerHost): Promise<never> => {
    await host.listenOn(below, () => {});
    throw new Error('no certificate');
  };
  const protocol = withLayers(bottom(calls), [
    { ...broken, listener: { ...(broken.listener as NonNullable<Layer['listener']>), listen } },
  ]);
  const registry = new Registry([protocol]);
  const host: ListenerHost = { ...fakeHost(), listenOn: (spec) => registry.listener('Bottom').listen(spec, host) };
  await assert.rejects(async () => registry.listener('Bottom').listen({ ...SPEC, top: true }, host), /no certificate/);
  assert.deepEqual(calls, ['Bottom with protocol,port', 'closed']);
});
