import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { closed, echoing, standing, texts } from '../../../../test/support/accepted.ts';
import { listenTo, Raw } from '../../../../test/support/http.ts';
import { turn, until } from '../../../testing/until.ts';
import { http } from '../index.ts';

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\none';

/** Short for what is to be late. What comes in time has enough of it on a busy machine. */
const SHORT = 30;
const ENOUGH = 10_000;

const headIn = (time: number) => ({ options: { header_timeout: time } });
const bodyIn = (time: number) => ({ options: { header_timeout: ENOUGH, body_timeout: time } });

describe('a head that does not come in time', () => {
  for (const [what, text] of [
    ['of a silent connection', ''],
    ['that has begun', 'GET / HTTP/1.1\r\nHost: h\r\nX'],
  ] as const) {
    test(`${what} is a 408, and counted`, async (t) => {
      const { host, port } = await listenTo(t, http, headIn(SHORT));
      const raw = new Raw(t, port).send(text);
      assert.match(await raw.untilEnd(), /^HTTP\/1\.1 408 [\s\S]*"status":408/);
      assert.deepEqual([host.rejects, host.channels.length], [['request-timeout'], 0]);
    });
  }

  test('of a later request is a 408 too, however often a byte comes', async (t) => {
    const { host, port } = await listenTo(t, http, { ...headIn(500), begin: echoing });
    const raw = new Raw(t, port).send(GET);
    await raw.until(/\r\n\r\n$/);
    raw.send('GET / HTTP/1.1\r\nX: ');
    const drip = setInterval(() => raw.send('x'), 5);
    t.after(() => clearInterval(drip));
    assert.match(await raw.untilEnd(), /\r\n\r\nHTTP\/1\.1 408 /);
    assert.deepEqual(host.rejects, ['request-timeout']);
  });
});

describe('a body that does not come in time', () => {
  test('is a 408, and fails its session', async (t) => {
    const { host, port } = await listenTo(t, http, bodyIn(SHORT));
    const raw = new Raw(t, port).send(POST);
    const session = standing(await host.next());
    assert.equal((await closed(session)).kind, 'error');
    assert.match(await raw.untilEnd(), /^HTTP\/1\.1 408 /);
    assert.deepEqual([session.texts, host.rejects], [['one'], ['request-timeout']]);
  });

  test('breaks an answer off that has begun', async (t) => {
    const { host, port } = await listenTo(t, http, bodyIn(SHORT));
    const raw = new Raw(t, port).send(POST);
    const session = standing(await host.next());
    session.write('part');
    assert.equal((await closed(session)).kind, 'reset');
    assert.match(await raw.untilEnd(), /part\r\n$/);
  });

  test('is not late while nobody takes it, nor while a byte comes now and then', async (t) => {
    const { host, port } = await listenTo(t, http, { options: { header_timeout: 500, body_timeout: 500 } });
    const slow = new Raw(t, port).send(
      `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(99_999)}`,
    );
    const held = await host.next();
    const other = new Raw(t, port).send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n');
    const fed = standing(await host.next());
    const drip = setInterval(() => other.send('x'), 10);
    t.after(() => clearInterval(drip));
    // Silent ones, which are late one after the other meanwhile.
    for (let n = 0; n < 3; n++) await new Raw(t, port).untilEnd();
    assert.deepEqual([held.open, fed.closings], [true, []]);
    assert.ok(held.bytesIn < 5000, `${held.bytesIn} bytes were taken`);
    slow.send('x'.repeat(900_001));
    const session = standing(held);
    await until(() => session.ends === 1);
    assert.equal(held.bytesIn, 1_000_000);
  });

  test('is waited for where there is no limit', async (t) => {
    const { host, port } = await listenTo(t, http, { options: { header_timeout: 500, body_timeout: 0 } });
    const raw = new Raw(t, port).send(POST);
    const session = standing(await host.next());
    assert.match(await new Raw(t, port).untilEnd(), /^HTTP\/1\.1 408 /);
    raw.send('two');
    await texts(session, 2);
    assert.equal(session.bytes.toString(), 'onetwo');
  });
});

test('the time limits are those that the options say now, also of connections that stand', async (t) => {
  const given: { header_timeout: number; body_timeout: number } = { header_timeout: 60_000, body_timeout: 60_000 };
  const { host, port } = await listenTo(t, http, { options: given, begin: echoing });
  const raw = new Raw(t, port).send(GET);
  await raw.until(/\r\n\r\n$/);
  Object.assign(given, { header_timeout: 10, body_timeout: 10 });
  const head = new Raw(t, port);
  assert.match(await head.untilEnd(), /^HTTP\/1\.1 408 /);
  raw.send(POST);
  assert.match(await raw.untilEnd(), /one\r\n$/);
  assert.deepEqual(host.rejects, ['request-timeout', 'request-timeout']);
});

test('a head may have as many fields as fit in it, and each is looked at', async (t) => {
  const { host, port } = await listenTo(t, http);
  const many = 'a:\r\n'.repeat(2500);
  const raw = new Raw(t, port).send(`GET / HTTP/1.1\r\nHost: a\r\n${many}Host: b\r\n\r\n`);
  assert.match(await raw.untilEnd(), /^HTTP\/1\.1 400 /);
  assert.deepEqual([host.rejects, host.channels.length], [['bad-request'], 0]);
  new Raw(t, port).send(`GET / HTTP/1.1\r\nHost: a\r\n${many}X: last\r\n\r\n`);
  const { HTTP: fields } = (await host.next()).describe() as { HTTP: { headers: Record<string, string> } };
  assert.equal(fields.headers.x, 'last');
});

describe('an upgrade that is not taken', () => {
  const UPGRADE = 'POST /a HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc';

  test('is the last request of its connection: what follows is never one', async (t) => {
    const { host, port } = await listenTo(t, http, { begin: echoing });
    const raw = new Raw(t, port).send(`${UPGRADE}GET /dropped HTTP/1.1\r\nHost: h\r\nX: `);
    raw.send(`\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n${'x'.repeat(100_000)}`);
    const answer = await raw.untilEnd();
    assert.match(answer, /^HTTP\/1\.1 200 [\s\S]*connection: close[\s\S]*\r\nabc\r\n0\r\n\r\n$/i);
    await turn(5);
    assert.equal(host.channels.length, 1);
  });

  test('waits for its turn behind others', async (t) => {
    const { host, port } = await listenTo(t, http, { begin: echoing });
    const raw = new Raw(t, port).send(`${GET}${GET}${UPGRADE}${GET}`);
    assert.match(await raw.untilEnd(), /abc\r\n0\r\n\r\n$/);
    assert.equal(host.channels.length, 3);
  });
});

test('what comes behind a last request does not spoil its answer', async (t) => {
  const { host, port } = await listenTo(t, http);
  const raw = new Raw(t, port).send(`GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n${GET}`);
  const session = standing(await host.next());
  await turn(5);
  session.write('answer');
  session.channel.end();
  assert.match(await raw.untilEnd(), /answer\r\n0\r\n\r\n$/);
  assert.equal(host.channels.length, 1);
});

describe('the authority of a request', () => {
  for (const [what, head] of [
    ['no Host', 'GET / HTTP/1.1\r\n'],
    ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n'],
    ['the same Host twice', 'GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n'],
    ['two Hosts, in HTTP/1.0', 'GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n'],
    ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n'],
    ['a Host with a user', 'GET / HTTP/1.1\r\nHost: u@a\r\n'],
    ['a Host that is a list', 'GET / HTTP/1.1\r\nHost: a, b c\r\n'],
    ['a port that is none', 'GET / HTTP/1.1\r\nHost: a:b\r\n'],
    ['an absolute target with another Host', 'GET http://a/ HTTP/1.1\r\nHost: b\r\n'],
    ['another Host than a target of another scheme', 'GET ftp://a/ HTTP/1.1\r\nHost: b\r\n'],
    ['a target that is for OPTIONS only', 'GET * HTTP/1.1\r\nHost: a\r\n'],
    ['an absolute target with another port', 'GET http://a:81/ HTTP/1.1\r\nHost: a\r\n'],
  ] as const) {
    test(`with ${what} is a 400 of ours, and no session`, async (t) => {
      const { host, port } = await listenTo(t, http);
      const raw = new Raw(t, port).send(`${head}\r\n`);
      assert.match(await raw.untilEnd(), /^HTTP\/1\.1 400 [\s\S]*connection: close[\s\S]*"status":400/i);
      assert.deepEqual([host.rejects, host.channels.length], [['bad-request'], 0]);
    });
  }

  for (const [what, head] of [
    ['none in HTTP/1.0', 'GET / HTTP/1.0\r\n'],
    ['an empty one', 'GET / HTTP/1.1\r\nHost:\r\n'],
    ['an IPv6 address', 'GET / HTTP/1.1\r\nHost: [::1]:80\r\n'],
    ['a name with an underscore', 'GET / HTTP/1.1\r\nHost: a_b.example:8080\r\n'],
    ['the same in another form', 'GET http://A:80/ HTTP/1.1\r\nHost: a\r\n'],
  ] as const) {
    test(`may be ${what}`, async (t) => {
      const { host, port } = await listenTo(t, http);
      new Raw(t, port).send(`${head}\r\n`);
      await host.next();
    });
  }

  test('another expectation than 100-continue is a 417, and counted', async (t) => {
    const { host, port } = await listenTo(t, http);
    const raw = new Raw(t, port).send('POST / HTTP/1.1\r\nHost: h\r\nExpect: much\r\nContent-Length: 3\r\n\r\n');
    assert.match(await raw.untilEnd(), /^HTTP\/1\.1 417 [\s\S]*"status":417/);
    assert.deepEqual(host.rejects, ['bad-request']);
  });
});
