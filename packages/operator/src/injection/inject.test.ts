import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse, stringify } from 'yaml';
import { type AdmittedPod, type InjectionOptions, InvalidPod, inject, type Operation, wantsProxy } from './inject.ts';

const OPTIONS: InjectionOptions = { image: 'l7mp/l7mp:test', port: 1234, nativeSidecars: true };
const TOKEN: InjectionOptions = { ...OPTIONS, tokenSecret: { name: 'the-token', key: 'token' } };

const pod = (annotations: string, spec: string): AdmittedPod =>
  parse(`{ metadata: { annotations: { l7mp.io/inject: "true", ${annotations} } }, spec: { ${spec} } }`);

const BARE = pod('', 'containers: [{ name: app }]');
const FULL = pod(
  'l7mp.io/proxy-image: "registry.example/l7mp@sha256:00", l7mp.io/log-level: warn, l7mp.io/proxy-port: "2345"',
  'containers: [{ name: app, ports: [{ containerPort: 80 }] }], initContainers: [{ name: init }], volumes: [{ name: data }]',
);

/** RFC 6902, as far as the patch goes. */
function apply(target: AdmittedPod, patch: readonly Operation[]): AdmittedPod {
  // biome-ignore lint/suspicious/noExplicitAny: any document
  const patched: any = structuredClone(target);
  for (const { path, value } of patch) {
    const parts = path
      .slice(1)
      .split('/')
      .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = parts.pop() as string;
    const parent = parts.reduce((object, part) => object[part], patched);
    if (!Array.isArray(parent)) parent[last] = value;
    else parent.splice(last === '-' ? parent.length : Number(last), 0, value);
  }
  return patched;
}

describe('a pod that asks for a proxy', () => {
  const cases: [string, AdmittedPod, InjectionOptions][] = [
    ['bare', BARE, OPTIONS],
    ['full', FULL, TOKEN],
    ['before-native-sidecars', FULL, { ...OPTIONS, nativeSidecars: false }],
  ];
  for (const [name, given, options] of cases) {
    it(`gets it: ${name}`, () => {
      const { patch, warnings } = inject(given, options);
      const text = stringify({ patch, result: apply(given, patch) }, { lineWidth: 120, aliasDuplicateObjects: false });
      const expected = new URL(`goldens/${name}.expected.yaml`, import.meta.url);
      if (process.env.UPDATE_GOLDENS) writeFileSync(expected, text);
      assert.equal(text, readFileSync(expected, 'utf8'));
      assert.deepEqual(warnings, []);
    });

    it(`gets nothing a second time: ${name}`, () => {
      const patched = apply(given, inject(given, options).patch);
      assert.equal(wantsProxy(patched), false);
      assert.deepEqual(inject(patched, options), { patch: [], warnings: [] });
    });
  }

  it('gets none with hostNetwork, and is told', () => {
    const { patch, warnings } = inject(pod('', 'hostNetwork: true, containers: [{ name: app }]'), OPTIONS);
    assert.deepEqual(patch, []);
    assert.match(warnings.join(), /hostNetwork/);
  });

  it('is refused where what it asks for cannot be, with the annotation’s name', () => {
    const refused: [AdmittedPod, RegExp][] = [
      [pod('l7mp.io/proxy-image: "a b"', 'containers: [{ name: app }]'), /^l7mp\.io\/proxy-image: 'a b' is no image/],
      [
        pod('l7mp.io/log-level: loud', 'containers: [{ name: app }]'),
        /^l7mp\.io\/log-level: 'loud' is none of silly, /,
      ],
      [pod('l7mp.io/proxy-port: "70000"', 'containers: [{ name: app }]'), /^l7mp\.io\/proxy-port: '70000' is no port/],
      [
        pod('', 'containers: [{ name: app, ports: [{ containerPort: 1234 }] }]'),
        /^l7mp\.io\/inject: the container app has port 1234/,
      ],
    ];
    for (const [given, message] of refused) {
      assert.throws(
        () => inject(given, OPTIONS),
        (error) => error instanceof InvalidPod && message.test(error.message),
      );
    }
    assert.doesNotThrow(() =>
      inject(pod('', 'containers: [{ name: app, ports: [{ containerPort: 1234, protocol: UDP }] }]'), OPTIONS),
    );
  });
});

describe('a pod that does not ask', () => {
  it('is left as it is', () => {
    const silent: AdmittedPod[] = [
      {},
      { metadata: {} },
      { metadata: { annotations: {} }, spec: { containers: [{ name: 'app' }] } },
      { metadata: { annotations: { 'l7mp.io/inject': 'false' } }, spec: {} },
      pod('', 'containers: [{ name: l7mp }]'),
    ];
    for (const given of silent) assert.deepEqual(inject(given, OPTIONS), { patch: [], warnings: [] });
  });
});
