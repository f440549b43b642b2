import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { until } from '../../../../src/testing/until.ts';
import { ApiClient } from '../kubernetes/api.ts';
import { FakeApi, type FakeObject } from '../kubernetes/testing.ts';
import { makeCredentials } from './certificate.ts';
import { type Credentials, dueAt, faultOf, LIFETIME, split, succeed } from './credentials.ts';
import { Rotation } from './rotation.ts';

const SECRETS = { group: '', version: 'v1', plural: 'secrets' };
const CONFIGURATIONS = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  plural: 'mutatingwebhookconfigurations',
};
const NAMES = ['l7mp-operator.l7mp.svc'];
const NOW = Date.parse('2026-11-29T09:00:00Z');
const DAY = 86_400_000;

describe('credentials', () => {
  it('are for the names, from yesterday on, and of an authority', async () => {
    const made = await makeCredentials(['a.example', '127.0.0.1', '::1'], NOW);
    assert.equal(faultOf(made, ['a.example', '127.0.0.1', '::1'], NOW), undefined);
    assert.equal(faultOf(made, ['a.example'], NOW - DAY + 1000), undefined);
    assert.match(faultOf(made, ['b.example'], NOW) ?? '', /not for b\.example/);
    assert.match(faultOf(made, ['a.example'], NOW + LIFETIME) ?? '', /expired/);
    assert.match(faultOf(made, ['a.example'], NOW - 2 * DAY) ?? '', /not valid yet/);
    assert.ok(new X509Certificate(made.authorities[0] ?? '').ca);
    assert.ok(dueAt(made) < NOW + (LIFETIME * 2) / 3);
  });

  it('that are damaged are told from those that serve', async () => {
    const [made, other] = await Promise.all([makeCredentials(NAMES, NOW), makeCredentials(NAMES, NOW)]);
    const damaged: Credentials[] = [
      { ...made, cert: '' },
      { ...made, cert: made.cert.replace(/[A-Za-z]{20}/, 'AAAAAAAAAAAAAAAAAAAA') },
      { ...made, key: other.key },
      { ...made, key: 'no key' },
      { ...made, authorities: other.authorities },
      { ...made, authorities: [] },
    ];
    for (const one of damaged) assert.ok(faultOf(one, NAMES, NOW));
  });

  it('keep a few authorities that came before, as long as they are valid', async () => {
    let last = await makeCredentials(NAMES, NOW);
    for (let n = 1; n <= 5; n++) last = succeed(await makeCredentials(NAMES, NOW + n), last.authorities, NOW + n);
    assert.equal(last.authorities.length, 4);
    assert.equal(faultOf(last, NAMES, NOW + 5), undefined);
    const later = NOW + LIFETIME + DAY;
    assert.equal(
      succeed(await makeCredentials(NAMES, later), [...last.authorities, 'damaged'], later).authorities.length,
      1,
    );
    assert.deepEqual(split(`${last.authorities.join('\n')}\n`), last.authorities);
  });
});

describe('the rotation', () => {
  let fake: FakeApi;
  let api: ApiClient;
  let now: number;
  let replicas: { rotation: Rotation; serves: Credentials[] }[];

  beforeEach(async () => {
    fake = await FakeApi.start(SECRETS, CONFIGURATIONS);
    api = new ApiClient(fake.access, 'test');
    now = NOW;
    replicas = [];
  });

  afterEach(async () => {
    for (const { rotation } of replicas) await rotation.close();
    api.close();
    await fake.close();
  });

  function replica(): { rotation: Rotation; serves: Credentials[] } {
    const serves: Credentials[] = [];
    const rotation = new Rotation({
      api,
      namespace: 'l7mp',
      names: NAMES,
      place: { service: { namespace: 'l7mp', name: 'l7mp-operator', port: 443 } },
      namespaces: [],
      changed: async (credentials) => {
        // Whoever serves is trusted already.
        assert.ok(trusted().includes(credentials.authorities[0] ?? ''), 'the API server trusts the certificate');
        serves.push(credentials);
      },
      log: () => undefined,
      now: () => now,
      waits: { look: 5, settle: 10 },
    });
    replicas.push({ rotation, serves });
    rotation.start();
    return { rotation, serves };
  }

  const secret = () => fake.get(SECRETS, 'l7mp', 'l7mp-operator-webhook');
  const configuration = () => fake.get(CONFIGURATIONS, '', 'l7mp-operator');
  const trusted = (): string[] =>
    split(Buffer.from(configuration()?.webhooks[0].clientConfig.caBundle ?? '', 'base64').toString());

  it('makes a certificate once, and all replicas serve with it', async () => {
    const [leader, other] = [replica(), replica()];
    leader.rotation.lead(true);
    await until(() => leader.serves.length === 1 && other.serves.length === 1);
    assert.equal(leader.serves[0]?.cert, other.serves[0]?.cert);
    assert.deepEqual(trusted(), leader.serves[0]?.authorities);
    assert.equal(secret()?.type, 'kubernetes.io/tls');
    assert.deepEqual(configuration()?.webhooks[0].clientConfig.service, {
      namespace: 'l7mp',
      name: 'l7mp-operator',
      port: 443,
      path: '/inject',
    });
  });

  it('replaces it before two thirds of its time are over, and trusts the old one beside it', async () => {
    const [leader, other] = [replica(), replica()];
    leader.rotation.lead(true);
    await until(() => other.serves.length === 1);
    now = NOW + LIFETIME * 0.49;
    const reads = fake.requests.length;
    await until(() => fake.requests.length > reads + 10);
    assert.equal(leader.serves.length, 1);
    now = NOW + LIFETIME * 0.51;
    await until(() => other.serves.length === 2 && leader.serves.length === 2);
    assert.equal(trusted().length, 2);
    assert.equal(trusted()[1], other.serves[0]?.authorities[0]);
    assert.equal(faultOf(other.serves[1] as Credentials, NAMES, NOW + LIFETIME), undefined);
  });

  it('writes back what serves when the Secret is removed or damaged, and makes a new one where nothing serves', async () => {
    const leader = replica();
    leader.rotation.lead(true);
    await until(() => secret());
    const before = secret() as FakeObject;
    fake.remove(SECRETS, 'l7mp', 'l7mp-operator-webhook');
    await until(() => secret());
    assert.equal(secret()?.data['tls.crt'], before.data['tls.crt']);
    fake.set(SECRETS, { ...before, data: { ...before.data, 'tls.key': 'bm9uc2Vuc2U=' } });
    await until(() => secret()?.data['tls.key'] === before.data['tls.key']);
    await leader.rotation.close();
    fake.set(SECRETS, { ...before, data: {} });
    const next = replica();
    next.rotation.lead(true);
    await until(() => next.serves.length === 1);
    assert.notEqual(secret()?.data['tls.crt'], before.data['tls.crt']);
  });

  it('makes a new one when a clock was wrong', async () => {
    const leader = replica();
    now = NOW + 3 * LIFETIME;
    leader.rotation.lead(true);
    await until(() => leader.serves.length === 1);
    now = NOW;
    await until(() => leader.serves.length === 2);
    assert.equal(faultOf(leader.serves[1] as Credentials, NAMES, NOW), undefined);
    assert.equal(trusted().length, 2);
  });

  it('writes the configuration anew where somebody has changed or removed it', async () => {
    const leader = replica();
    leader.rotation.lead(true);
    await until(() => secret());
    const before = configuration() as FakeObject;
    fake.remove(CONFIGURATIONS, '', 'l7mp-operator');
    await until(() => configuration());
    fake.set(CONFIGURATIONS, { ...before, metadata: { ...before.metadata, generation: 7 }, webhooks: [] });
    await until(() => configuration()?.webhooks.length === 1);
  });

  it('leaves all that to the leader', async () => {
    const follower = replica();
    const reads = fake.requests.length;
    await until(() => fake.requests.length > reads + 5);
    assert.deepEqual([secret(), configuration(), follower.serves], [undefined, undefined, []]);
  });
});
