/** What the API server takes, a proxy does not refuse for its form: tried with objects at random. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Wish } from '../../packages/operator/src/translation/contract.ts';
import { complete, configurationOf, FakeCluster, pod } from '../../packages/operator/src/translation/testing.ts';
import { makeTranslation } from '../../packages/operator/src/translation/translation.ts';
import { FOLDER } from '../../scripts/crds/files.ts';
import { kinds, objectSchema } from '../../scripts/crds/kinds.ts';
import { render } from '../../scripts/crds/schema.ts';
import { Registry } from '../../src/core/registry.ts';
import { PROTOCOLS } from '../../src/protocols.ts';
import { L7mp } from '../../src/proxy.ts';
import { ROOT } from '../support/command.ts';
import { ApiError, type KubeObject } from './support/api.ts';
import { useCluster } from './support/cluster.ts';
import { valuesOf } from './support/random-objects.ts';

const cluster = useCluster(async (world) => {
  await world.kubectl('apply', '--server-side', '-f', join(ROOT, FOLDER));
  await world.kubectl('wait', '--for=condition=Established', '--timeout=60s', 'crd', '--all');
});

/** Objects of each kind; most of them are refused. `SHAPES=10000` looks further, `SEED` elsewhere. */
const OBJECTS = Number(process.env.SHAPES ?? 400);
const SEED = Number(process.env.SEED ?? 1);
/** Requests at a time. */
const AT_ONCE = 16;

/** By plural: the kind, and what goes around values of one of its fields. */
const KINDS = {
  virtualservices: [
    'VirtualService',
    'listener',
    (listener: object) => ({ selector: {}, listener: { rulesRef: 'x', ...listener } }),
  ],
  targets: ['Target', 'cluster', (cluster: object) => ({ selector: {}, cluster })],
  routes: ['Route', 'route', (route: object) => ({ selector: {}, route })],
  rulelists: ['RuleList', 'rules', (rules: object) => ({ selector: {}, rules })],
} as const;

/** What the API server makes of it; undefined where it refuses it. */
async function taken(plural: string, kind: string, spec: object): Promise<KubeObject | undefined> {
  const path = `/apis/l7mp.io/v1/namespaces/default/${plural}?dryRun=All&fieldValidation=Strict`;
  try {
    return await cluster().api.request('POST', path, { apiVersion: 'l7mp.io/v1', kind, metadata: { name: 'x' }, spec });
  } catch (error) {
    if (error instanceof ApiError && (error.status === 422 || error.status === 400)) return undefined;
    throw error;
  }
}

/** Throws what the proxy has against it. */
function check(kind: 'VirtualService' | 'Target' | 'Route' | 'RuleList', spec: object): void {
  const snapshot = new FakeCluster();
  const keys = snapshot.put(complete({ kind, metadata: { name: 'x' }, spec }), pod('proxy', {}, '10.244.0.9'));
  const translation = makeTranslation(snapshot, { proxyPort: 1234, allowCrossNamespace: false });
  translation.update(keys);
  for (const { conditions } of translation.verdicts.values()) {
    const accepted = conditions.find(({ type }) => type === 'Accepted');
    assert.equal(accepted?.status, 'True', accepted?.message ?? 'nothing is said of it');
  }
  for (const [uid] of translation.proxies) new L7mp().check(configurationOf(translation.wish(uid) as Wish));
}

for (const [plural, [kind, field, around]] of Object.entries(KINDS)) {
  test(`a ${kind} that the API server takes has no form that a proxy refuses`, async () => {
    const definition = kinds(new Registry(PROTOCOLS)).find((one) => one.kind === kind);
    assert(definition);
    const schema = render(objectSchema(definition)).properties?.spec?.properties?.[field] ?? {};
    const specs = fc.sample(valuesOf(schema), { numRuns: OBJECTS, seed: SEED }).map((value) => around(value as object));
    let count = 0;
    const refused = new Map<string, string>();
    const worker = async (): Promise<void> => {
      for (let one = specs.pop(); one; one = specs.pop()) {
        const object = await taken(plural, kind, one);
        if (!object) continue;
        count++;
        try {
          check(kind, object.spec);
        } catch (error) {
          refused.set((error as Error).message, JSON.stringify(one));
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    assert.deepEqual(Object.fromEntries(refused), {});
    assert.ok(count > 0, 'some are taken');
  });
}
