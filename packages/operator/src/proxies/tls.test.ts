/** Proxies whose REST API is served by https, and knows the operator by its certificate. */
import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../../../../src/testing/ports.ts';
import { until } from '../../../../src/testing/until.ts';
import { Authority } from '../../../../test/support/certificates.ts';
import { listener, startProxy } from '../../../../test/support/proxy.ts';
import { podAt, startProxies, wishOf } from '../../testing/proxies.ts';
import { service } from '../../testing/service.ts';
import { tlsFiles } from '../tls-files.ts';

test('a proxy that serves its API by https is programmed with a certificate, once that is one it knows', async (t) => {
  const authority = await Authority.make(t.after.bind(t));
  const own = await authority.issue({ names: 'DNS:l7mp-proxy' });
  const [ops, other] = [await authority.issue({ commonName: 'operator' }), await authority.issue()];
  const tls = { ...own, ca: authority.cert, client_auth: 'require' };
  const { ports } = await startProxy(t, ['api'], ({ api }) => ({
    admin: { auth: { client_certificates: [{ subject: 'CN=operator', role: 'admin' }] } },
    listeners: [
      listener('api', { protocol: 'HTTP', port: api, address: '127.0.0.1', tls }, { destination: 'l7mp-controller' }),
    ],
  }));
  const [cert, key] = [join(authority.directory, 'tls.crt'), join(authority.directory, 'tls.key')];
  const show = async (pair: typeof ops): Promise<void> => {
    await copyFile(pair.cert, cert);
    await copyFile(pair.key, key);
  };
  await show(other);
  const failures: string[] = [];
  const files = tlsFiles({ ca: authority.cert, cert, key, servername: 'l7mp-proxy' }, (text) => failures.push(text));
  const timing = { interval: 50, retry: { first: 50, most: 100 } };
  const { proxies, reaches } = startProxies(t, { port: ports.api, tls: files, timing });
  const pod = { ...podAt('127.0.0.1'), tls: true };
  proxies.program(pod, wishOf(service(await freePort(), {})));
  await until(() => proxies.state(pod.uid)?.state === 'unreachable', 'its certificate is not known');
  await show(ops);
  await reaches(pod.uid, 'programmed');
});

test('files that hold no certificate, or no key, are an error', async (t) => {
  const authority = await Authority.make(t.after.bind(t));
  const { cert, key } = await authority.issue();
  const none = (text: string): never => assert.fail(text);
  assert.throws(() => tlsFiles({ ca: key }, none), /holds no certificate/);
  assert.throws(() => tlsFiles({ cert, key: cert }, none), /holds no private key/);
  assert.throws(() => tlsFiles({ ca: `${cert}.nix` }, none), /ENOENT/);
});
