/** What every data plane does when it drains: a part of the suite. */
import assert from 'node:assert/strict';
import * as net from 'node:net';
import { type TestContext, test } from 'node:test';
import { freePort } from '../testing/ports.ts';
import { until } from '../testing/until.ts';
import { clusters, connect, HOST, http, isRefused, type Trial, talk, tcp } from './testing-trial.ts';

const LONG = 60_000;

export function draining(begin: (t: TestContext) => Promise<Trial>): void {
  test('draining frees addresses, but of the API; sessions go on, and it is taken back', async (t) => {
    const trial = await begin(t);
    const [port, api] = [await freePort(), await freePort()];
    const listeners = [tcp('l', port), http('api', api, 'L7mpController')];
    await trial.run({ clusters, listeners });
    const client = await connect(t, port);
    await talk(client, 'one');
    await trial.plane.drain(LONG);
    assert.equal(await isRefused(port), true);
    await talk(client, 'two');
    assert.equal((await fetch(`http://${HOST}:${api}/`)).status, 200);
    assert.equal((await trial.plane.status()).sessions, 1);
    await trial.plane.drain(undefined);
    await talk(await connect(t, port), 'three');
  });

  test('draining ends what is left when the time is over', async (t) => {
    const trial = await begin(t);
    const port = await freePort();
    await trial.run({ clusters, listeners: [tcp('l', port)] });
    const client = await connect(t, port);
    await talk(client, 'one');
    await trial.plane.drain(1);
    await until(() => client.over, 'it is ended');
    assert.equal((await trial.plane.status()).sessions, 0);
  });

  test('what is changed while it drains listens when that is taken back', async (t) => {
    const trial = await begin(t);
    const [before, after, added] = [await freePort(), await freePort(), await freePort()];
    await trial.run({ clusters, listeners: [tcp('l', before)] });
    await trial.plane.drain(LONG);
    await trial.run({ clusters, listeners: [tcp('l', after), tcp('m', added)] });
    assert.deepEqual([await isRefused(after), await isRefused(added)], [true, true]);
    await trial.plane.drain(undefined);
    for (const port of [after, added]) await talk(await connect(t, port), 'x');
    assert.equal(await isRefused(before), true);
  });

  test('draining is not taken back where an address cannot be had again', async (t) => {
    const trial = await begin(t);
    const [free, taken] = [await freePort(), await freePort()];
    await trial.run({ clusters, listeners: [tcp('l', free), tcp('m', taken)] });
    await trial.plane.drain(LONG);
    const other = net.createServer().listen(taken, HOST);
    await until(() => other.listening, 'somebody else listens');
    await assert.rejects(trial.plane.drain(undefined), { code: 'E_BIND' });
    assert.equal(await isRefused(free), true);
    other.close();
    await trial.plane.drain(undefined);
    await talk(await connect(t, free), 'x');
  });
}
