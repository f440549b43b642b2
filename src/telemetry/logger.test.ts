import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { LEVELS } from '../core/log.ts';
import { MAX_LINE } from './flood-gate.ts';
import { Logger } from './logger.ts';
import { ALIKE, LINES_PER_SECOND } from './repeats.ts';

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'l7mp-log-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** What a log holds when it is closed. */
async function linesOf(t: TestContext, write: (logger: Logger) => void | Promise<void>): Promise<string[]> {
  const file = join(folderOf(t), 'log');
  const logger = new Logger();
  await logger.open(file);
  await write(logger);
  await logger.close();
  return readFileSync(file, 'utf8').split('\n').slice(0, -1);
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /;
const withoutTime = (line: string): string => line.replace(TIME, '');

/** A word without digits, of which there are many. */
const word = (n: number): string => n.toString(26).replace(/\d/g, (digit) => 'qrstuvwxyz'[Number(digit)] as string);

describe('a line', () => {
  test('is the time, the level, the object and the message', async (t) => {
    const lines = await linesOf(t, (logger) => logger.write('warn', 'front', 'it rains'));
    assert.match(lines[0] ?? '', TIME);
    assert.deepEqual(lines.map(withoutTime), ['warn front: it rains']);
  });

  test('is one, whatever names and messages hold', async (t) => {
    const lines = await linesOf(t, (logger) => logger.write('info', 'a\nb', 'c\r\n\u001b[31m\u009b\u2028d'));
    assert.deepEqual(lines.map(withoutTime), ['info a\\nb: c\\r\\n\\u001b[31m\\u009b\\u2028d']);
  });

  test('of any length is cut to 1 KiB, and says so', async (t) => {
    const lines = await linesOf(t, (logger) => {
      logger.write('info', 'api', `GET /${'x'.repeat(30_000)}`);
      logger.write('info', 'api', 'é'.repeat(1000));
      logger.write('info', 'api', '\u001b'.repeat(1000));
      logger.write('info', 'n'.repeat(5000), 'm'.repeat(5000));
      logger.write('info', 'api', 'x'.repeat(MAX_LINE));
    });
    const sizes = lines.map((line) => Buffer.byteLength(line) + 1);
    assert.ok(
      sizes.every((size) => size <= MAX_LINE && size > MAX_LINE - 10),
      `${sizes}`,
    );
    assert.match(lines[0] ?? '', / info api: GET \/x+ … \(cut: 30005 characters\)$/);
    for (const line of lines) assert.match(line, / … \(cut: \d+ characters\)$/);
  });

  test('that just fits is whole', async (t) => {
    const room = MAX_LINE - 1 - `${new Date().toISOString()} info o: `.length;
    const lines = await linesOf(t, (logger) => logger.write('info', 'o', 'y'.repeat(room)));
    assert.deepEqual(lines.map(withoutTime), [`info o: ${'y'.repeat(room)}`]);
  });

  test('of a level below that of the log is not written', async (t) => {
    const lines = await linesOf(t, (logger) => {
      for (const level of LEVELS) logger.write(level, 'o', level);
      logger.level = 'silent';
      logger.write('error', 'o', 'silenced');
    });
    assert.deepEqual(lines.map(withoutTime), ['info o: info', 'notice o: notice', 'warn o: warn', 'error o: error']);
  });
});

describe('a flood', () => {
  test('of lines that are alike is summed up', async (t) => {
    const lines = await linesOf(t, (logger) => {
      for (let n = 0; n < ALIKE + 412; n++) logger.write('info', `TCP:10.0.0.${n % 200}:${n}-s-${n}`, `ERROR: ${n}`);
    });
    assert.equal(lines.length, ALIKE + 1);
    assert.match(lines.at(-1) ?? '', / info TCP:.*: … 412 more in \d+ s, the last: ERROR: 431$/);
  });

  test('of lines that are all different is bounded, counted, and keeps out no warning and no error', async (t) => {
    const lines = await linesOf(t, (logger) => {
      for (let n = 0; n < 10_000; n++) logger.write('info', 'api', `GET /${word(n)}`);
      logger.write('warn', 'front', 'a warning');
      logger.write('error', 'api', 'an error');
    });
    // It may last a little longer than a second.
    assert.ok(lines.length < 20 * LINES_PER_SECOND.info, `${lines.length} lines`);
    const said = lines.map(withoutTime);
    assert.ok(said.includes('warn front: a warning') && said.includes('error api: an error'));
    const left = Number(/^info log: … (\d+) more lines in \d+ s were too many to write$/.exec(said.at(-1) ?? '')?.[1]);
    assert.equal(left + lines.length - 3, 10_000);
  });

  test('of one kind of warning keeps out no other', async (t) => {
    const lines = await linesOf(t, (logger) => {
      for (let n = 0; n < 10_000; n++) logger.write('warn', `session-${n}`, 'boundaries');
      logger.write('warn', 'front', 'another');
    });
    assert.ok(lines.map(withoutTime).includes('warn front: another'));
  });

  test('takes no memory for what it says', async (t) => {
    const before = process.memoryUsage().heapUsed;
    let most = 0;
    await linesOf(t, (logger) => {
      for (let n = 0; n < 5000; n++) {
        logger.write('info', `object-${word(n)}`, `${word(n)}${'x'.repeat(30_000)}`);
        if (n % 500 === 0) most = Math.max(most, process.memoryUsage().heapUsed);
      }
    });
    assert.ok(most - before < 64 << 20, `${most - before} bytes`);
  });

  for (const level of ['notice', 'verbose'] as const) {
    test(`of ${level} is written in full: changes by the API, or what was asked for`, async (t) => {
      const lines = await linesOf(t, (logger) => {
        logger.level = 'silly';
        for (let n = 0; n < 200; n++) logger.write(level, `session-${n}`, 'INIT');
      });
      assert.equal(lines.length, 200);
    });
  }

  test('that is over is told at the end of ten seconds, and the next line like it is written', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const lines = await linesOf(t, (logger) => {
      for (let n = 0; n < ALIKE + 5; n++) logger.write('info', 'o', 'again');
      t.mock.timers.tick(10_000);
      logger.write('info', 'o', 'again');
      t.mock.timers.reset();
    });
    assert.match(lines[ALIKE] ?? '', / info o: … 5 more in \d+ s, the last: again$/);
    assert.equal(withoutTime(lines[ALIKE + 1] ?? ''), 'info o: again');
  });
});

describe('the file', () => {
  test('may change, and each has its own lines', async (t) => {
    const folder = folderOf(t);
    const [one, other] = [join(folder, '1'), join(folder, '2')];
    const logger = new Logger();
    await logger.open(one);
    logger.write('info', 'o', 'first');
    await logger.open(other);
    logger.write('info', 'o', 'second');
    await logger.close();
    assert.deepEqual(
      [one, other].map((file) => withoutTime(readFileSync(file, 'utf8'))),
      ['info o: first\n', 'info o: second\n'],
    );
  });

  test('that was renamed keeps its lines, and a new one gets those that come', async (t) => {
    const file = join(folderOf(t), 'log');
    const logger = new Logger();
    await logger.open(file);
    logger.write('info', 'o', 'first');
    renameSync(file, `${file}.1`);
    await logger.reopen();
    logger.write('info', 'o', 'second');
    await logger.close();
    assert.deepEqual(
      [`${file}.1`, file].map((path) => withoutTime(readFileSync(path, 'utf8'))),
      ['info o: first\n', 'info o: second\n'],
    );
  });

  test('that cannot be written is refused, and the log goes on where it was', async (t) => {
    const lines = await linesOf(t, async (logger) => {
      await assert.rejects(logger.open('/nowhere/at/all'), /^L7mpError: log_file: \/nowhere\/at\/all /);
      logger.write('info', 'o', 'on');
    });
    assert.deepEqual(lines.map(withoutTime), ['info o: on']);
  });
});
