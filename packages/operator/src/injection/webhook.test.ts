import assert from 'node:assert/strict';
import { once } from 'node:events';
import https from 'node:https';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { connect } from 'node:tls';
import { until } from '../../../../src/testing/until.ts';
import { ApiClient } from '../kubernetes/api.ts';
import { FakeApi } from '../kubernetes/testing.ts';
import { TokenSecrets } from '../workload/token-secrets.ts';
import { Webhook } from './webhook.ts';

const SECRETS = { group: '', version: 'v1', plural: 'secrets' };
const CONFIGURATIONS = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  plural: 'mutatingwebhookconfigurations',
};

let fake: FakeApi;
let api: ApiClient;
let webhook: Webhook;
let said: string[];

beforeEach(async () => {
  fake = await FakeApi.start(SECRETS, CONFIGURATIONS);
  api = new ApiClient(fake.access, 'test');
  said = [];
  webhook = new Webhook({
    api,
    host: '127.0.0.1',
    port: 0,
    url: 'https://127.0.0.1:1',
    service: 'l7mp-operator',
    namespace: 'l7mp',
    namespaces: [],
    proxy: { image: 'l7mp/l7mp:test', port: 1234, nativeSidecars: true },
    tokens: new TokenSecrets(api, async () => 'secret-token'),
    log: (_level, message) => void said.push(message),
  });
  webhook.start();
  webhook.lead(true);
  await until(() => webhook.port);
});

afterEach(async () => {
  await webhook.close();
  api.close();
  await fake.close();
});

const bundle = (): string => {
  const configuration = fake.get(CONFIGURATIONS, '', 'l7mp-operator');
  return Buffer.from(configuration?.webhooks[0].clientConfig.caBundle, 'base64').toString();
};

/** With a `length`, only a head that announces so many bytes. */
async function ask(body: string, { method = 'POST', path = '/inject', type = 'application/json', length = 0 } = {}) {
  const headers = { 'content-type': type, ...(length && { 'content-length': length }) };
  const request = https.request({
    host: '127.0.0.1',
    port: webhook.port,
    method,
    path,
    headers,
    ca: bundle(),
    agent: false,
  });
  if (length) request.flushHeaders();
  else request.end(body);
  const [response] = await once(request, 'response');
  let text = '';
  for await (const part of response.setEncoding('utf8')) text += part;
  request.destroy();
  return { status: response.statusCode as number, text };
}

const review = (request: object): string =>
  JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'u',
      namespace: 'shop',
      operation: 'CREATE',
      resource: { group: '', resource: 'pods' },
      object: { metadata: { annotations: { 'l7mp.io/inject': 'true' } }, spec: { containers: [{ name: 'app' }] } },
      ...request,
    },
  });

describe('the webhook', () => {
  it('answers an API server that trusts what the configuration says, and brings the token', async () => {
    const { status, text } = await ask(review({}));
    assert.equal(status, 200);
    const { response } = JSON.parse(text);
    const patch = JSON.parse(Buffer.from(response.patch, 'base64').toString());
    const [secret] = fake.all(SECRETS).filter(({ metadata }) => metadata.namespace === 'shop');
    assert.ok(secret);
    assert.equal(Buffer.from(secret.data.token, 'base64').toString(), 'secret-token');
    assert.ok(JSON.stringify(patch).includes(secret.metadata.name));
    assert.ok(!JSON.stringify(patch).includes('secret-token'));
  });

  it('creates nothing on a dry run', async () => {
    assert.equal((await ask(review({ dryRun: true }))).status, 200);
    assert.deepEqual(
      fake.all(SECRETS).map(({ metadata }) => metadata.namespace),
      ['l7mp'],
    );
  });

  it('says it where the token cannot be brought, and lets the pod wait for it', async () => {
    fake.intercept = ({ url }, response) => {
      if (!url.pathname.includes('/shop/')) return false;
      response.writeHead(403).end();
      return true;
    };
    const { response } = JSON.parse((await ask(review({}))).text);
    assert.equal(response.allowed, true);
    assert.match(response.warnings.join(), /no Secret with the token of the proxies in shop/);
  });

  it('refuses what is no question, and what is too large', async () => {
    const answers = await Promise.all([
      ask('{}'),
      ask('', { path: '/' }),
      ask('', { method: 'PUT' }),
      ask('{}', { type: 'text/plain' }),
      ask('', { length: 5 << 20 }),
    ]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [400, 404, 405, 415, 413],
    );
    assert.match(answers[0]?.text ?? '', /no AdmissionReview/);
    assert.equal((await ask(review({}))).status, 200);
  });

  it('speaks no TLS before 1.2', async () => {
    const socket = connect({
      host: '127.0.0.1',
      port: webhook.port as number,
      ca: bundle(),
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
    });
    const [error] = await once(socket, 'error');
    assert.match(String((error as NodeJS.ErrnoException).code), /^ERR_SSL|^ECONN/);
  });
});
