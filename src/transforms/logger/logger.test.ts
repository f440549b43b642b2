import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { describe, type TestContext, test } from 'node:test';
import { TEXT } from '../../core/channel.ts';
import type { L7mpError } from '../../core/errors.ts';
import type { Protocol } from '../../core/protocol.ts';
import { MAX_WAITING } from '../../output/writer.ts';
import { collect, hold } from '../../testing/collector.ts';
import { dialLocal, fakeClusterHost, openCluster } from '../../testing/fake-cluster-host.ts';
import { until } from '../../testing/until.ts';
import { createLogger as createLoggerOn } from './index.ts';

const CLOSE = { kind: 'end', message: '' } as const;

const createLogger = (streams: { readonly stdout: Writable & { readonly isTTY?: boolean } }): Protocol =>
  createLoggerOn(streams, () => streams.stdout.isTTY === true);

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'l7mp-logger-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** A stdout that takes nothing until it is told to. */
class Stuck extends Writable {
  readonly taken: Buffer[] = [];
  #release: (() => void) | undefined;
  #open = false;

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.taken.push(bytes);
    if (this.#open) done();
    else this.#release = done;
  }

  release(): void {
    this.#open = true;
    this.#release?.();
  }
}

describe('on stdout', () => {
  test('messages pass, and are written as they are', async () => {
    const stdout = new PassThrough();
    const end = collect(dialLocal(await openCluster(createLogger({ stdout }))));
    end.channel.write(Buffer.from('a'), TEXT, true);
    end.write('b\n', 'c');
    await until(() => stdout.readableLength === 4);
    assert.deepEqual([end.texts, String(stdout.read(4))], [['a', 'b\n', 'c'], 'ab\nc']);
    assert.deepEqual([end.attributes[0], end.owned], [TEXT, [true, false, false]]);
  });

  test('each message has the prefix, where there is one', async () => {
    const stdout = new PassThrough();
    const fields = { log_file: '-', log_prefix: 'in' };
    collect(dialLocal(await openCluster(createLogger({ stdout }), fields))).write('a', 'b');
    const text = 'in: ain: b';
    await until(() => stdout.readableLength === text.length);
    assert.equal(String(stdout.read(text.length)), text);
  });

  test('what waits to be written is not the reader’s buffer', async () => {
    const stdout = new Stuck();
    const end = collect(dialLocal(await openCluster(createLogger({ stdout }))));
    end.write('first');
    for (const owned of [true, false]) {
      const buffer = Buffer.from('keep');
      end.channel.write(buffer, TEXT, owned);
      buffer.fill(0x21);
    }
    stdout.release();
    await until(() => Buffer.concat(stdout.taken).toString() === 'firstkeepkeep');
  });

  test('a slow one loses copies and no traffic, which is said once, and counted', async () => {
    const stdout = new Stuck();
    const host = fakeClusterHost({ name: 'tap' });
    const dialer = await openCluster(createLogger({ stdout }), {}, host);
    const end = collect(dialLocal(dialer));
    const piece = Buffer.alloc(MAX_WAITING / 4, 'x');
    for (let n = 0; n < 7; n++) assert.equal(end.channel.write(piece), true);
    assert.equal(end.messages.length, 7);
    assert.deepEqual(host.log.lines, ['warn tap: messages are missing in the log_file: it is too slow']);
    stdout.release();
    await until(() => Buffer.concat(stdout.taken).length === MAX_WAITING);
    end.write('again');
    end.channel.close(CLOSE);
    await dialer.close?.();
    assert.ok(Buffer.concat(stdout.taken).toString().endsWith('again'));
    assert.equal(host.log.lines.at(-1), 'warn tap: 3 messages are missing in the log_file');
  });

  test('a slow one holds many small copies in one buffer, and loses none within the bound', async () => {
    const stdout = new Stuck();
    const host = fakeClusterHost();
    const end = collect(dialLocal(await openCluster(createLogger({ stdout }), {}, host)));
    const byte = Buffer.from('x');
    await until(() => end.channel.write(byte) && stdout.taken.length === 1);
    for (let n = 0; n < 100_000; n++) end.channel.write(byte, undefined, true);
    assert.deepEqual(host.log.lines, []);
    stdout.release();
    await until(() => Buffer.concat(stdout.taken).length >= 100_000);
    assert.ok(stdout.taken.length < 10, `written in ${stdout.taken.length} pieces`);
  });

  test('one whose reader has gone ends neither the process nor the session', async () => {
    const stdout = new Writable({
      write: (_bytes, _encoding, done) => done(Object.assign(new Error('EPIPE'), { code: 'EPIPE' })),
    });
    const host = fakeClusterHost();
    const end = collect(dialLocal(await openCluster(createLogger({ stdout }), {}, host)));
    end.write('a');
    await until(() => host.log.lines.length > 0);
    end.write('b', 'c');
    assert.deepEqual([end.texts, end.closings, host.log.lines.length], [['a', 'b', 'c'], [], 1]);
  });

  test('closing waits for a stuck one no longer than a second', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const dialer = await openCluster(createLogger({ stdout: new Stuck() }));
    const end = collect(dialLocal(dialer));
    end.write('a');
    end.channel.close(CLOSE);
    const closed = dialer.close?.();
    t.mock.timers.tick(1000);
    await closed;
  });
});

describe('in a file', () => {
  const stdout = new PassThrough();

  test('messages are appended to what is there', async (t) => {
    const log_file = join(directory(t), 'log');
    writeFileSync(log_file, 'before ');
    const dialer = await openCluster(createLogger({ stdout }), { log_file, log_prefix: 'p' });
    const [one, other] = [collect(dialLocal(dialer)), collect(dialLocal(dialer))];
    one.write('1');
    other.write('2');
    for (const { channel } of [one, other]) channel.close(CLOSE);
    await dialer.close?.();
    assert.equal(readFileSync(log_file, 'utf8'), 'before p: 1p: 2');
  });

  test('it is made when the cluster is opened', async (t) => {
    const log_file = join(directory(t), 'log');
    const dialer = await openCluster(createLogger({ stdout }), { log_file });
    assert.equal(readFileSync(log_file, 'utf8'), '');
    await dialer.close?.();
  });

  test('live sessions are logged on when the cluster is gone', async (t) => {
    const log_file = join(directory(t), 'log');
    const dialer = await openCluster(createLogger({ stdout }), { log_file });
    const end = collect(dialLocal(dialer));
    await dialer.close?.();
    end.write('late');
    await until(() => readFileSync(log_file, 'utf8') === 'late');
    end.channel.close(CLOSE);
  });

  for (const [what, path] of [
    ['a directory', '/'],
    ['a path that leads nowhere', '/nowhere/at/all'],
  ] as const) {
    test(`${what} is refused by name`, async () => {
      await assert.rejects(openCluster(createLogger({ stdout }), { log_file: path }), (error: L7mpError) => {
        assert.equal(error.code, 'E_FILE');
        assert.match(error.message, new RegExp(`^/log_file: ${path} `));
        return true;
      });
    });
  }

  test('a FIFO that nobody reads is refused, and waits for no reader', async (t) => {
    const log_file = join(directory(t), 'fifo');
    assert.equal(spawnSync('mkfifo', [log_file]).status, 0);
    const refused = (error: L7mpError) => error.code === 'E_FILE' && error.message.endsWith('ENXIO');
    await assert.rejects(openCluster(createLogger({ stdout }), { log_file }), refused);
  });

  test('a full disk loses copies and no traffic, which is said once', async () => {
    const host = fakeClusterHost({ name: 'tap' });
    const dialer = await openCluster(createLogger({ stdout }), { log_file: '/dev/full' }, host);
    const end = collect(dialLocal(dialer));
    end.write('a');
    await until(() => host.log.lines.length > 0);
    end.write('b');
    end.channel.close(CLOSE);
    await dialer.close?.();
    const [first, last] = host.log.lines;
    assert.deepEqual([end.texts, host.log.lines.length], [['a', 'b'], 2]);
    assert.match(`${first}`, /^warn tap: messages are missing in the log_file: ENOSPC/);
    assert.match(`${last}`, /^warn tap: 2 messages are missing in the log_file$/);
  });

  test('one that was renamed keeps what came before, and the new one gets what comes', async (t) => {
    const log_file = join(directory(t), 'log');
    const dialer = await openCluster(createLogger({ stdout }), { log_file });
    const end = collect(dialLocal(dialer));
    end.write('before');
    renameSync(log_file, `${log_file}.1`);
    await dialer.reopen?.();
    end.write('after');
    end.channel.close(CLOSE);
    await dialer.close?.();
    assert.deepEqual([readFileSync(`${log_file}.1`, 'utf8'), readFileSync(log_file, 'utf8')], ['before', 'after']);
  });

  test('messages are written as they are, whatever they do to a terminal', async (t) => {
    const log_file = join(directory(t), 'log');
    const dialer = await openCluster(createLogger({ stdout: terminal() }), { log_file });
    const end = collect(dialLocal(dialer));
    end.channel.write(Buffer.from([0x1b, 0x9b, 0xff]));
    end.channel.close(CLOSE);
    await dialer.close?.();
    assert.deepEqual([...readFileSync(log_file)], [0x1b, 0x9b, 0xff]);
  });
});

/** Title, colour and clearing commands, in C0 and in C1; overwriting; and text. */
const HOSTILE = '\u001b]0;title\u0007\u001b[31m\u009b2J\rok\tGrüße\n';
const HARMLESS = '\\u001b]0;title\\u0007\\u001b[31m\\u009b2J\\rok\tGrüße\n';

function terminal(): PassThrough & { isTTY: true } {
  return Object.assign(new PassThrough(), { isTTY: true as const });
}

describe('commands to a terminal in the traffic', () => {
  async function written(stdout: PassThrough & { isTTY?: boolean }, host = fakeClusterHost()): Promise<string> {
    const end = collect(dialLocal(await openCluster(createLogger({ stdout }), {}, host)));
    end.write(HOSTILE);
    await until(() => stdout.readableLength > 0);
    assert.deepEqual(end.texts, [HOSTILE]);
    return String(stdout.read());
  }

  test('are escaped where stdout is one', async () => assert.equal(await written(terminal()), HARMLESS));

  test('are escaped where the log is on stdout too', async () => {
    const host = fakeClusterHost();
    Object.assign(host.log, { onStdout: true });
    assert.equal(await written(new PassThrough(), host), HARMLESS);
  });

  test('are data where stdout is the Logger’s alone', async () => {
    assert.equal(await written(new PassThrough()), HOSTILE);
  });
});

test('back-pressure goes through', async () => {
  const end = hold(dialLocal(await openCluster(createLogger({ stdout: new PassThrough() }))));
  assert.equal(end.write('a'), false);
  end.read();
  assert.equal(end.drains, 1);
});
