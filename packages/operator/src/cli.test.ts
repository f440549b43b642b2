import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { parseOptions } from './cli.ts';

afterEach(() => {
  process.exitCode = 0;
});

test('defaults', () => {
  assert.deepEqual(parseOptions([], '1.0.0'), {
    namespaces: [],
    proxyPort: 1234,
    metrics: { host: '127.0.0.1', port: 9090 },
    loglevel: 'info',
  });
});

test('all options', () => {
  const args =
    '--kubeconfig k --namespaces a,b,a --proxy-port 99 --proxy-token-file t --proxy-ca a --proxy-cert c --proxy-key k --proxy-servername s --proxy-image i --leader-elect --allow-cross-namespace --metrics off --webhook :9443 --webhook-url https://x -l silly';
  assert.deepEqual(parseOptions(args.split(' '), '1.0.0'), {
    kubeconfig: 'k',
    namespaces: ['a', 'b'],
    proxyPort: 99,
    proxyTokenFile: 't',
    proxyCa: 'a',
    proxyCert: 'c',
    proxyKey: 'k',
    proxyServername: 's',
    proxyImage: 'i',
    leaderElect: true,
    allowCrossNamespace: true,
    metrics: false,
    webhook: { host: undefined, port: 9443 },
    webhookUrl: 'https://x',
    loglevel: 'silly',
  });
});

for (const args of [
  '--proxy-port 0',
  '--proxy-port x',
  '--proxy-cert c',
  '--metrics nowhere',
  '--namespaces a,B',
  '--webhook :1',
  '--webhook-url http://x',
  '--what',
  '-l loud',
  'argument',
]) {
  test(`wrong use: ${args}`, () => {
    assert.equal(parseOptions(args.split(' '), '1.0.0'), undefined);
    assert.equal(process.exitCode, 2);
  });
}
