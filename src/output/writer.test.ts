import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { L7mpError } from '../core/errors.ts';
import { until } from '../testing/until.ts';
import { type Output, openFile } from './output.ts';
import { FileWriter } from './writer.ts';

function pathIn(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'l7mp-writer-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'log');
}

const bytes = (text: string): Buffer => Buffer.from(text);

/** An output that takes nothing until it is told to. */
class Stuck implements Output {
  readonly taken: string[] = [];
  #go: (() => void) | undefined;
  readonly #gone = new Promise<void>((resolve) => {
    this.#go = resolve;
  });

  async write(written: Uint8Array): Promise<void> {
    await this.#gone;
    this.taken.push(Buffer.from(written).toString());
  }

  async reopen(): Promise<void> {}

  async close(): Promise<void> {}

  go(): void {
    this.#go?.();
  }
}

describe('a file', () => {
  test('gets what is written, in order, after what is there', async (t) => {
    const path = pathIn(t);
    writeFileSync(path, '0');
    const writer = new FileWriter(await openFile(path, 'f'));
    for (const text of ['1', '2', '3']) writer.write(bytes(text));
    await writer.close();
    assert.equal(readFileSync(path, 'utf8'), '0123');
  });

  test('that was renamed keeps what was written before, and the new one gets the rest', async (t) => {
    const path = pathIn(t);
    const writer = new FileWriter(await openFile(path, 'f'));
    writer.write(bytes('before'));
    renameSync(path, `${path}.1`);
    await writer.reopen();
    writer.write(bytes('after'));
    await writer.close();
    assert.deepEqual([readFileSync(`${path}.1`, 'utf8'), readFileSync(path, 'utf8')], ['before', 'after']);
  });

  test('that cannot be opened again is written on', async (t) => {
    const path = pathIn(t);
    const writer = new FileWriter(await openFile(path, 'f'));
    const folder = join(path, '..');
    renameSync(folder, `${folder}-moved`);
    await assert.rejects(writer.reopen(), (error: L7mpError) => error.code === 'E_FILE' && /^f: /.test(error.message));
    writer.write(bytes('on'));
    await writer.close();
    renameSync(`${folder}-moved`, folder);
    assert.equal(readFileSync(path, 'utf8'), 'on');
  });

  test('may be closed twice, and takes nothing afterwards', async (t) => {
    const path = pathIn(t);
    const writer = new FileWriter(await openFile(path, 'f'));
    await Promise.all([writer.close(), writer.close()]);
    await writer.reopen();
    writer.write(bytes('late'));
    assert.deepEqual([writer.lost, readFileSync(path, 'utf8')], [1, '']);
  });
});

describe('an output that is too slow', () => {
  test('is waited for up to the limit, and what is beyond is lost and counted', async () => {
    const output = new Stuck();
    const said: string[] = [];
    const writer = new FileWriter(output, { limit: 10, onLost: (why) => said.push(why) });
    for (let n = 0; n < 12; n++) writer.write(bytes('x'));
    assert.deepEqual([writer.lost, said], [2, ['it is too slow', 'it is too slow']]);
    output.go();
    await until(() => output.taken.join('').length === 10);
    writer.write(bytes('y'));
    await until(() => output.taken.at(-1) === 'y');
  });

  test('keeps a reserve for what is urgent', () => {
    const writer = new FileWriter(new Stuck(), { limit: 10 });
    for (let n = 0; n < 100; n++) writer.write(bytes('x'), 4);
    assert.equal(writer.lost, 94);
    for (let n = 0; n < 4; n++) writer.write(bytes('!'));
    assert.equal(writer.lost, 94);
  });
});

test('an output that fails loses what was being written, and goes on', async () => {
  const written: string[] = [];
  let full = true;
  const output: Output = {
    write: async (part) => {
      if (full) throw new Error('ENOSPC');
      written.push(Buffer.from(part).toString());
    },
    reopen: async () => {},
    close: async () => {},
  };
  const said: string[] = [];
  const writer = new FileWriter(output, { onLost: (why) => said.push(why) });
  writer.write(bytes('lost'));
  await until(() => writer.lost === 1);
  full = false;
  writer.write(bytes('kept'));
  await until(() => written.length === 1);
  assert.deepEqual([written, said], [['kept'], ['ENOSPC']]);
});
