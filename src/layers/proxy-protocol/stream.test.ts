import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectStream, received } from '../../../test/support/peers.ts';
import { listener, startProxy } from '../../../test/support/proxy.ts';

const ECHO = { destination: { spec: { protocol: 'Echo' } } };

const announcing =
  (fields: object = {}) =>
  (port: number) => ({
    protocol: 'TCP',
    port,
    address: '127.0.0.1',
    proxy_protocol: true,
    ...fields,
  });

describe('a TCP listener with the PROXY protocol', () => {
  test('takes the addresses of a header of version 1 for the session’s own', async (t) => {
    const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
      listeners: [listener('l', announcing()(l), ECHO)],
    }));
    const client = await connectStream(t, { port: ports.l });
    client.send('PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\nhello');
    assert.equal((await received(client, 5)).toString(), 'hello');
    const [session] = await proxy.sessions('l');
    assert.equal(session?.name, 'TCP:192.0.2.1:1234-192.0.2.2:80');
  });
});
