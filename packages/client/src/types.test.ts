/** What compiles, and what does not. Nothing of it is sent: each promise is given up before. */
import { test } from 'node:test';
import { Client } from './index.ts';

const client = new Client({ base: 'http://127.0.0.1:1' });
const signal = AbortSignal.abort();
const gone = (...requests: Promise<unknown>[]) => Promise.allSettled(requests);

test('what a request takes is what the operation takes', async () => {
  await gone(
    client.get('/config', { signal }),
    client.put('/config', {
      signal,
      body: { listeners: [{ name: 'x', spec: { protocol: 'UDP', port: 1 }, rules: [] }] },
      query: { dry_run: true },
      ifMatch: '"x"',
    }),
    // @ts-expect-error: a part of the path is missing
    client.get('/clusters/{name}', { signal }),
    // @ts-expect-error: there is no such parameter
    client.get('/config', { signal, query: { recursiv: true } }),
    // @ts-expect-error: there is no such path
    client.get('/cluster', { signal }),
    // @ts-expect-error: the path has no such method
    client.post('/clusters/{name}', { signal, params: { name: 'x' } }),
    // @ts-expect-error: a change needs a body
    client.put('/config', { signal }),
    client.put('/config', {
      signal,
      // @ts-expect-error: the protocol has no such field
      body: { listeners: [{ name: 'x', spec: { protocol: 'UDP', prt: 1 }, rules: [] }] },
    }),
    // @ts-expect-error: a read has no If-Match
    client.get('/config', { signal, ifMatch: '"x"' }),
    // @ts-expect-error: this one is not about the configuration
    client.getIfChanged('/healthz', '"x"', { signal }),
  );
});

test('what it answers is what the operation answers', async () => {
  const typed = async () => {
    const { body } = await client.get('/clusters', { signal });
    body satisfies { name: string; spec: { protocol: string } }[];
    const changed = await client.configIfChanged('"x"', { signal });
    if (changed.status === 304) changed.body satisfies undefined;
    else changed.body.listeners satisfies unknown[] | undefined;
  };
  await gone(typed());
});
