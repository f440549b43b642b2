import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BINARY } from './channel.ts';
import { MessageQueue } from './queue.ts';

/** The buffers that a queue's messages lie in. */
function drain(queue: MessageQueue): { text: string; held: number; messages: number } {
  const buffers = new Set<ArrayBufferLike>();
  const parts: Buffer[] = [];
  while (queue.length > 0) {
    const { bytes } = queue.shift();
    buffers.add(bytes.buffer);
    parts.push(Buffer.from(bytes));
  }
  const held = [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
  return { text: Buffer.concat(parts).toString('latin1'), held, messages: parts.length };
}

describe('a queue of a stream', () => {
  test('holds one-byte pieces in less than twice their bytes, and few messages', () => {
    const queue = new MessageQueue();
    const pieces = Array.from({ length: 100_000 }, (_, n) => Uint8Array.of(n));
    for (const piece of pieces) queue.append(piece, BINARY, true);
    assert.equal(queue.bytes, pieces.length);
    const { text, held, messages } = drain(queue);
    assert.equal(text, Buffer.from(pieces.map(([byte = 0]) => byte)).toString('latin1'));
    assert.ok(held < 2 * pieces.length, `${held} bytes were held`);
    assert.ok(messages < 100, `${messages} messages`);
    assert.deepEqual([queue.bytes, queue.length], [0, 0]);
  });

  test('keeps the order of small and large pieces, also while it is read', () => {
    const queue = new MessageQueue();
    const sizes = [1, 5000, 2, 3, 1024, 1025, 7, 0, 1];
    let [sent, got] = ['', ''];
    for (let round = 0; round < 50; round++) {
      for (const [n, size] of sizes.entries()) {
        const text = String.fromCharCode(97 + ((round + n) % 26)).repeat(size);
        sent += text;
        queue.append(Buffer.from(text), BINARY, n % 2 === 0);
      }
      got += Buffer.from(queue.shift().bytes).toString();
    }
    assert.equal(queue.bytes, sent.length - got.length);
    assert.equal(got + drain(queue).text, sent);
  });

  test('copies what is not owned', () => {
    const queue = new MessageQueue();
    const [small, large] = [Buffer.alloc(3, 'a'), Buffer.alloc(3000, 'b')];
    queue.append(small, BINARY, false);
    queue.append(large, BINARY, false);
    small.fill('!');
    large.fill('!');
    assert.equal(drain(queue).text, `aaa${'b'.repeat(3000)}`);
  });
});
