import assert from 'node:assert/strict';
import { PassThrough, Writable } from 'node:stream';
import { describe, test } from 'node:test';
import { type Collector, collect, hold } from '../../testing/collector.ts';
import { dialLocal, openCluster } from '../../testing/fake-cluster-host.ts';
import { turn, until } from '../../testing/until.ts';
import { createStdio } from './index.ts';

const CLOSE = { kind: 'end', message: '' } as const;

/** A stdin that notes whether it keeps the process alive. */
class Input extends PassThrough {
  alive = true;

  ref(): void {
    this.alive = true;
  }

  unref(): void {
    this.alive = false;
  }
}

async function setUp(stdout: Writable = new PassThrough(), stdin = new Input()) {
  const dialer = await openCluster(createStdio({ stdin, stdout }));
  return { stdin, stdout, open: () => dialLocal(dialer) };
}

describe('stdin', () => {
  test('what comes goes to every open channel', async () => {
    const { stdin, open } = await setUp();
    const [a, b] = [collect(open()), collect(open())];
    stdin.write('hello');
    await until(() => a.messages.length > 0);
    assert.deepEqual([a.texts, b.texts], [['hello'], ['hello']]);
    b.channel.close(CLOSE);
    stdin.write('again');
    await until(() => a.messages.length > 1);
    assert.deepEqual([a.texts, b.texts], [['hello', 'again'], ['hello']]);
  });

  test('it is not looked at before a channel is open', async () => {
    const streams = { stdin: new Input(), stdout: new PassThrough() };
    let looks = 0;
    const dialer = await openCluster(
      createStdio({
        get stdin() {
          looks++;
          return streams.stdin;
        },
        stdout: streams.stdout,
      }),
    );
    assert.equal(looks, 0);
    dialLocal(dialer);
    assert.ok(looks > 0);
  });

  test('without an open channel it is left alone, and keeps nothing alive', async () => {
    const { stdin, open } = await setUp();
    const first = collect(open());
    first.channel.close(CLOSE);
    assert.deepEqual([stdin.alive, stdin.isPaused(), stdin.listenerCount('data')], [false, true, 0]);
    stdin.write('for the next');
    await turn(3);
    const second = collect(open());
    assert.equal(stdin.alive, true);
    await until(() => second.messages.length > 0);
    assert.deepEqual([first.texts, second.texts], [[], ['for the next']]);
  });

  test('it is paused while one channel is held up', async () => {
    const { stdin, open } = await setUp();
    const a = collect(open());
    const b = hold(open());
    assert.equal(stdin.isPaused(), true);
    stdin.write('x');
    await turn(3);
    assert.deepEqual(a.texts, []);
    b.read();
    await until(() => a.messages.length > 0 && b.messages.length > 0);
    b.channel.pause();
    assert.equal(stdin.isPaused(), true);
    b.channel.close(CLOSE);
    assert.equal(stdin.isPaused(), false);
  });

  test('its end goes to all, and to new ones at once', async () => {
    const { stdin, open } = await setUp();
    const [a, b] = [collect(open()), collect(open())];
    stdin.end('last');
    await until(() => a.ends + b.ends === 2);
    assert.deepEqual([a.texts, b.texts], [['last'], ['last']]);
    assert.equal(collect(open()).ends, 1);
    for (const { channel } of [a, b]) channel.close(CLOSE);
    assert.equal(collect(open()).ends, 1);
  });

  test('its failure is its end', async () => {
    const { stdin, open } = await setUp();
    const a = collect(open());
    stdin.destroy(new Error('EIO'));
    await until(() => a.ends === 1);
  });
});

describe('stdout', () => {
  test('what is written arrives, and an end does not close it', async () => {
    const { stdout, open } = await setUp();
    const [a, b] = [collect(open()), collect(open())];
    a.write('a');
    a.channel.end();
    b.write('b');
    const { readableLength } = stdout as PassThrough;
    assert.deepEqual(
      [readableLength, String((stdout as PassThrough).read(2)), stdout.writable, a.channel.halfClose],
      [2, 'ab', true, false],
    );
  });

  test('back-pressure reaches every writer, and goes when it has drained', async () => {
    const stdout = new PassThrough({ highWaterMark: 4 });
    const { open } = await setUp(stdout);
    const [a, b] = [collect(open()), collect(open())] as [Collector, Collector];
    assert.equal(a.write('12345678'), false);
    assert.equal(b.write('1'), false);
    stdout.resume();
    await until(() => a.drains === 1 && b.drains === 1);
    assert.deepEqual([a.channel.full, b.channel.full], [false, false]);
  });

  test('what waits is not the writer’s buffer', async () => {
    const stdout = new PassThrough({ highWaterMark: 1 });
    const { open } = await setUp(stdout);
    const a = collect(open());
    a.write('12');
    const buffer = new Uint8Array(Buffer.from('keep'));
    a.channel.write(buffer);
    buffer.fill(0x21);
    let got = '';
    stdout.on('data', (bytes) => {
      got += bytes;
    });
    await until(() => got === '12keep');
  });

  test('a reader that has gone ends neither the process nor the session, and holds nothing up', async () => {
    const stdout = new Writable({
      autoDestroy: false,
      highWaterMark: 1,
      write: (_b, _e, done) => done(new Error('EPIPE')),
    });
    const { open } = await setUp(stdout);
    const a = collect(open());
    assert.equal(a.write('ab'), false);
    await until(() => a.drains === 1);
    assert.deepEqual([a.faults, a.channel.drops?.get('send-error'), a.closings], [['stdout: EPIPE'], 1, []]);
  });

  test('one that is closed swallows what is written, counted', async () => {
    const stdout = new PassThrough();
    stdout.destroy();
    const { open } = await setUp(stdout);
    const a = collect(open());
    assert.equal(a.write('a', 'b'), true);
    assert.deepEqual([a.faults.length, a.channel.drops?.get('send-error')], [1, 2]);
  });

  test('one that throws, as files do, is no different', async () => {
    const stdout = new PassThrough();
    stdout.write = () => {
      throw new Error('EAGAIN');
    };
    const { open } = await setUp(stdout);
    const a = collect(open());
    assert.equal(a.write('a'), true);
    assert.deepEqual([a.faults, a.closings], [['stdout: EAGAIN'], []]);
  });

  test('a terminal gets no commands from a peer, also not in two parts, and a pipe gets the bytes', async () => {
    const terminal = Object.assign(new PassThrough(), { isTTY: true });
    const pipe = new PassThrough();
    for (const stdout of [terminal, pipe]) {
      const { open } = await setUp(stdout);
      const a = collect(open());
      for (const part of [[0x1b, 0xc2], [0x9b], [0xc3], [0xbc]]) a.channel.write(Buffer.from(part));
    }
    const [shown, piped] = [terminal, pipe].map((stdout) => String(stdout.read(stdout.readableLength)));
    assert.deepEqual([shown, piped], ['\\u001b\\u009bü', '\u001b\u009bü']);
  });
});
