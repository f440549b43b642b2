import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from '../core/registry.ts';
import { PROTOCOLS } from '../protocols.ts';
import { findCollisions } from './collisions.ts';
import { Outline } from './outline.ts';
import { Validator } from './validate.ts';
import { findWarnings } from './warnings.ts';

const REGISTRY = new Registry(PROTOCOLS);

function collisions(...specs: object[]): { certain: string[]; likely: string[] } {
  const listeners = specs.map((spec, n) => ({ name: `l${n}`, spec, rules: [] }));
  const outline = new Outline(new Validator(REGISTRY).config({ listeners }), REGISTRY);
  const { certain, likely } = findCollisions(outline, REGISTRY);
  const text = ({ path, message }: { path: string; message: string }): string => `${path}: ${message}`;
  return { certain: certain.map(text), likely: likely.map(text) };
}

const udp = (more: object): object => ({ protocol: 'UDP', address: '127.0.0.1', ...more });

test('a port of a range is in use, whichever of the two comes first', () => {
  const [many, one] = [udp({ ports: '10000-10999' }), udp({ port: 10_500 })];
  const first = '/listeners/1/spec: 127.0.0.1:10500 is what the listener l0 listens on';
  assert.deepEqual(collisions(many, one).certain, [`${first}, at 127.0.0.1:10000-10999: one of them cannot`]);
  assert.deepEqual(collisions(one, many).certain, [`${first}: one of them cannot`]);
});

test('ranges that have ports in common collide at the lowest of them', () => {
  const [low, high] = [udp({ ports: '10000-10999' }), { ...udp({ ports: '10900-11999' }), address: '0.0.0.0' }];
  assert.deepEqual(collisions(low, high).certain, [
    '/listeners/1/spec: 0.0.0.0:10900 is what the listener l0 listens on, at 127.0.0.1:10000-10999: one of them cannot',
  ]);
});

test('ranges beside each other, at other addresses, or of other sockets do not collide', () => {
  const specs = [
    udp({ ports: '10000-10999' }),
    udp({ ports: '11000-11999' }),
    udp({ port: 9999 }),
    udp({ ports: '10000-10999', address: '127.0.0.2' }),
    { protocol: 'TCP', ports: '10000-10999' },
    { protocol: 'HTTP', ports: '12000-12999' },
  ];
  assert.deepEqual(collisions(...specs), { certain: [], likely: [] });
});

test('a range of a protocol on TCP collides with TCP itself', () => {
  const { certain } = collisions({ protocol: 'HTTP', ports: '80-89' }, { protocol: 'TCP', port: 84 });
  assert.deepEqual(certain, [
    '/listeners/1/spec: 0.0.0.0:84 is what the listener l0 listens on, at 0.0.0.0:80-89: one of them cannot',
  ]);
});

test('a controller that is open to the network on many ports is warned about', () => {
  const config = new Validator(REGISTRY).config({
    listeners: [
      {
        name: 'l',
        spec: { protocol: 'HTTP', ports: '80-89' },
        rules: [{ action: { route: { destination: { spec: { protocol: 'L7mpController' } } } } }],
      },
    ],
  });
  const [warning] = findWarnings(config, REGISTRY);
  assert.match(warning?.message ?? '', /through l, at 0\.0\.0\.0:80-89, without authentication/);
});
