import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { WayMaker } from '../../io/native/system/scheduling.ts';
import { engines } from '../../io/testing.ts';
import { collect, hold } from '../../testing/collector.ts';
import { attempt, FakeLog, fakeClusterHost, openCluster } from '../../testing/fake-cluster-host.ts';
import { runTransformCompliance } from '../../testing/transforms.ts';
import { until } from '../../testing/until.ts';
import { createStdioFork } from './index.ts';

const CLOSE = { kind: 'end', message: 'the test is over' } as const;
const RESET = { kind: 'reset', message: 'the client is gone' } as const;

runTransformCompliance({
  name: 'STDIO-fork of cat',
  spec: { protocol: 'STDIO-fork', command: ['cat'] },
  skips: { end: 'the end of its input is the end of cat' },
});

async function setUp(t: TestContext, fields: object) {
  const log = new FakeLog();
  const dialer = await openCluster(createStdioFork(), { kill_timeout: 100, ...fields }, fakeClusterHost({ log }));
  const open = async () => {
    const channel = await dialer.dial(attempt({}, 'session'));
    t.after(() => channel.close(CLOSE));
    const notes: string[] = [];
    const one = collect(channel);
    Object.assign(channel.owner ?? {}, { note: (_channel: unknown, message: string) => notes.push(message) });
    return Object.assign(one, { notes });
  };
  return { log, open };
}

/** Runs a script for `sh`, which is a program like any other here. */
const sh = (script: string) => ({ command: ['sh', '-c', script] });

/** Whether a process is there, and no zombie. */
function lives(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

async function numbers(one: { readonly texts: readonly string[] }, count: number): Promise<number[]> {
  const read = () => one.texts.join('').split('\n').filter(Boolean).map(Number);
  await until(() => read().length >= count);
  return read();
}

describe('a program and its session', () => {
  test('what it says in the end arrives, then its end, and its status is noted', async (t) => {
    const { open } = await setUp(t, { command: ['awk', '{ n += $1 } END { print n }'] });
    const one = await open();
    one.write('1\n2\n', '39\n');
    one.channel.end();
    await until(() => one.ends === 1);
    assert.equal(one.texts.join(''), '42\n');
    assert.match(one.notes.join(), /^child \d+ has exited with status 0$/);
    assert.deepEqual(one.faults, []);
  });

  test('another status than 0 is a fault, and its output is complete all the same', async (t) => {
    const { open } = await setUp(t, sh('printf "%s" whole; exit 3'));
    const one = await open();
    await until(() => one.closings.length === 1);
    assert.equal(one.texts.join(''), 'whole');
    assert.equal(one.ends, 1);
    assert.match(one.faults.join(), /^child \d+ has exited with status 3$/);
    assert.equal(one.closings[0]?.kind, 'end');
  });

  test('one that a signal has ended is a broken connection', async (t) => {
    const { open } = await setUp(t, sh('kill -SEGV $$'));
    const one = await open();
    await until(() => one.closings.length === 1);
    assert.equal(one.ends, 0);
    const [{ kind, message } = CLOSE] = one.closings;
    assert.match(`${kind}: ${message}`, /^reset: child \d+ was ended by SIGSEGV$/);
  });

  test('arguments are not looked at by a shell, and sessions have a child each', async (t) => {
    const { open } = await setUp(t, { command: ['printf', '%s', '$HOME *; "'] });
    const both = [await open(), await open()];
    await until(() => both.every(({ ends }) => ends === 1));
    assert.deepEqual(
      both.map(({ texts }) => texts.join('')),
      ['$HOME *; "', '$HOME *; "'],
    );
  });

  test('it runs in the directory and with the variables that it is given, and with those of the proxy', async (t) => {
    process.env.L7MP_FORK_TAKEN = 'there';
    process.env.L7MP_FORK_KEPT = 'kept';
    t.after(() => {
      delete process.env.L7MP_FORK_TAKEN;
      delete process.env.L7MP_FORK_KEPT;
    });
    const env = { L7MP_FORK_TAKEN: null, L7MP_FORK_GIVEN: 'a=b' };
    const { open } = await setUp(t, { ...sh('pwd; env | grep ^L7MP_FORK_ | sort'), cwd: '/usr', env });
    const one = await open();
    await until(() => one.ends === 1);
    assert.equal(one.texts.join(''), '/usr\nL7MP_FORK_GIVEN=a=b\nL7MP_FORK_KEPT=kept\n');
  });

  test('one that reads nothing holds its writer up, and one that closes its stdin does not', async (t) => {
    const { open } = await setUp(
      t,
      sh('read -r what; if [ "$what" = close ]; then exec <&-; echo closed; fi; sleep 1000'),
    );
    const chunk = Buffer.alloc(65_536);
    const deaf = await open();
    deaf.write('stay\n');
    while (deaf.channel.write(chunk));
    assert.ok(deaf.channel.full);

    const closed = await open();
    closed.write('close\n');
    await until(() => closed.texts.join('') === 'closed\n');
    await until(() => {
      closed.channel.write(chunk);
      return closed.channel.drops?.has('send-error');
    });
    assert.deepEqual(closed.closings, []);
  });

  test('nobody that takes its output holds it up, and gets all of it', async (t) => {
    const { open } = await setUp(t, sh('head -c 3000000 /dev/zero; echo done >&2'));
    const dialled = await open();
    const one = hold(dialled.channel);
    const size = () => one.size;
    assert.equal(size(), 0);
    one.read();
    await until(() => size() === 3_000_000);
  });
});

describe('the end of a session', () => {
  test('closes the stdin of its child, which has time to end by itself', async (t) => {
    const { log, open } = await setUp(t, { ...sh('echo $$; cat >/dev/null; sleep 0.05'), kill_timeout: 60_000 });
    const one = await open();
    const [pid = 0] = await numbers(one, 1);
    assert.ok(lives(pid));
    one.channel.close(CLOSE);
    await until(() => !lives(pid));
    assert.deepEqual(log.lines, []);
  });

  for (const reason of [CLOSE, RESET]) {
    test(`of a child that does not look at it, is SIGTERM (${reason.kind})`, async (t) => {
      const { log, open } = await setUp(t, sh('echo $$; exec sleep 1000'));
      const one = await open();
      const [pid = 0] = await numbers(one, 1);
      one.channel.close(reason);
      await until(() => !lives(pid));
      // Where a busy machine takes long to end it, SIGKILL follows.
      assert.equal(log.lines[0], `info c: child ${pid} has not ended within 100 ms: SIGTERM`);
    });
  }

  test('of one that ignores SIGTERM, is SIGKILL, also to what it has started', async (t) => {
    const { log, open } = await setUp(t, sh('trap "" TERM; sleep 1000 & echo $!; echo $$; wait'));
    const one = await open();
    const both = await numbers(one, 2);
    one.channel.close(CLOSE);
    await until(() => !both.some(lives));
    assert.equal(log.lines.filter((line) => line.endsWith(': SIGKILL')).length, 1);
  });

  test('of one that has ended, ends what it has left behind', async (t) => {
    const { open } = await setUp(t, sh('sleep 1000 >/dev/null 2>&1 & echo $!'));
    const one = await open();
    const [left = 0] = await numbers(one, 1);
    await until(() => one.closings.length === 1);
    await until(() => !lives(left));
  });
});

describe('stderr', () => {
  test('goes to the log line by line, cut, and no further than so many lines', async (t) => {
    const { log, open } = await setUp(
      t,
      sh('echo one >&2; seq 1 100000 >&2; head -c 5000 /dev/zero | tr "\\0" x >&2; echo end'),
    );
    const one = await open();
    await until(() => one.ends === 1 && log.lines.some((line) => line.includes('more lines')));
    assert.match(log.lines[0] ?? '', /^info c: child \d+: one$/);
    assert.ok(log.lines.length < 200, `${log.lines.length} lines`);
    assert.ok(log.lines.every((line) => line.length < 1100));
    assert.equal(one.texts.join(''), 'end\n');
  });

  test('is discarded, or a part of the output', async (t) => {
    const script = sh('echo out; echo err >&2');
    const discarding = await setUp(t, { ...script, stderr: 'discard' });
    const merging = await setUp(t, { ...script, stderr: 'merge' });
    const [a, b] = [await discarding.open(), await merging.open()];
    await until(() => a.ends === 1 && b.ends === 1);
    assert.equal(a.texts.join(''), 'out\n');
    assert.deepEqual(b.texts.join('').split('\n').sort(), ['', 'err', 'out']);
    assert.deepEqual([...discarding.log.lines, ...merging.log.lines], []);
  });
});

describe('a program that cannot be started', () => {
  for (const [fields, message] of [
    [{ command: ['/there/is/none'] }, 'cannot run /there/is/none: ENOENT'],
    [{ command: ['/etc/passwd'] }, 'cannot run /etc/passwd: EACCES'],
    [{ command: ['cat'], cwd: '/there/is/none' }, 'cannot run cat in /there/is/none: there is no such directory'],
    [{ command: ['cat', 'x'.repeat(3_000_000)] }, 'cannot run cat: E2BIG'],
  ] as const) {
    test(`is a failed connection: ${message}`, async (t) => {
      const { open } = await setUp(t, fields);
      await assert.rejects(open(), { code: 'E_CONNECT', message });
    });
  }

  test('for want of descriptors is refused as any connection is', async () => {
    const host = fakeClusterHost();
    host.connections.ceiling = 0;
    const dialer = await openCluster(createStdioFork(), { command: ['cat'] }, host);
    await assert.rejects(async () => dialer.dial(attempt({}, 'session')), { code: 'E_LIMIT' });
  });
});

const unusual = engines().find(({ name }) => name === 'native')?.skip ?? false;

test('a child has the scheduling of any process, although the thread that starts it makes way', {
  skip: unusual,
}, async (t) => {
  const { open } = await setUp(t, { command: ['cut', '-d', ' ', '-f', '41', '/proc/self/stat'] });
  const maker = new WayMaker();
  t.after(() => maker.end());
  maker.starting(() => {});
  const one = await open();
  await until(() => one.ends === 1);
  assert.equal(one.texts.join(''), '0\n');
});
