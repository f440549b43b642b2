import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Metadata } from '../../core/metadata.ts';
import { compileHeader, type HeaderSpec } from './request.ts';
import { CLUSTER, failure } from './testing.ts';

const METADATA: Metadata = JSON.parse(
  '{"labels":{"call":{"id":"c1"},"n":5},"JSONSocket":{"JSONSocketVersion":9,"__proto__":{"a":1}},"none":null}',
);

describe('the header of a cluster', () => {
  const made: [string, HeaderSpec, Metadata][] = [
    ['nothing but the version, by default', [], {}],
    ['a copy to another place', [{ path: { from: '/labels/call', to: '/sub/call' } }], { sub: { call: { id: 'c1' } } }],
    ['the keys of an object, laid over the root', [{ path: { from: '/labels' } }], { call: { id: 'c1' }, n: 5 }],
    ['the same, for a plain pointer', [{ path: 'labels' }], { call: { id: 'c1' }, n: 5 }],
    [
      'fixed values, at pointers',
      [{ set: { key: 'k', value: { deep: [1] } } }, { set: { key: '/k/deep/-', value: 2 } }],
      { k: { deep: [1, 2] } },
    ],
    ['null, which is something', [{ path: { from: '/none', to: '/x' } }], { x: null }],
    ['nothing of what is missing', [{ path: '/nope' }, { path: { from: '/labels/call/id/more', to: '/x' } }], {}],
    [
      'what comes last, of two',
      [{ set: { key: 'n', value: 1 } }, { path: '/labels' }, { set: { key: 'call', value: 0 } }],
      { n: 5, call: 0 },
    ],
  ];
  for (const [what, spec, expected] of made) {
    test(`has ${what}`, () => {
      assert.deepEqual(compileHeader(spec)(METADATA), { JSONSocketVersion: 1, ...expected });
    });
  }

  test('has version 1, whatever is copied or set', () => {
    const spec = [{ path: '/JSONSocket' }, { set: { key: 'JSONSocketVersion', value: 3 } }];
    const header = compileHeader(spec)(METADATA);
    assert.equal(header.JSONSocketVersion, 1);
    assert.deepEqual(Object.keys(header), ['JSONSocketVersion', '__proto__']);
    assert.equal(header.a, undefined);
  });

  test('shares nothing with the metadata, nor with the headers of other sessions', () => {
    const headerOf = compileHeader([{ path: '/labels' }, { set: { key: 'k', value: { n: 1 } } }]);
    const header = headerOf(METADATA) as { call: { id: string }; k: { n: number } };
    header.call.id = 'changed';
    header.k.n = 2;
    assert.deepEqual(headerOf(METADATA), { JSONSocketVersion: 1, call: { id: 'c1' }, n: 5, k: { n: 1 } });
  });

  test('cannot take text at its root', () => {
    assert.throws(() => compileHeader([{ path: '/labels/n' }])(METADATA), failure('E_INVALID', /^\/header\/0\/path: /));
  });

  const wrong: [string, HeaderSpec, RegExp][] = [
    ['a broken pointer', [{ path: '/a~2' }], /^\/header\/0\/path: /],
    ['a broken pointer from', [{ set: { key: 'a', value: 1 } }, { path: { from: '~' } }], /^\/header\/1\/path\/from: /],
    [
      'a way through __proto__',
      [{ path: { from: '/labels', to: '/__proto__/x' } }],
      /^\/header\/0\/path\/to: .*__proto__/,
    ],
    ['a key that is a prototype', [{ set: { key: 'constructor', value: 1 } }], /^\/header\/0\/set\/key: .*constructor/],
    ['a number for the root', [{ set: { key: '/', value: 1 } }], /^\/header\/0\/set\/value: /],
    [
      'a value too deep',
      [{ set: { key: 'a', value: JSON.parse(`${'['.repeat(65)}${']'.repeat(65)}`) } }],
      /set\/value: nested deeper/,
    ],
  ];
  for (const [what, header, message] of wrong) {
    test(`is refused by the check for ${what}`, () => {
      assert.throws(() => CLUSTER.check?.({ transport: { protocol: 'UDP' }, header }), failure('E_INVALID', message));
    });
  }
});
