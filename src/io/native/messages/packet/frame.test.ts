/** Frames made by hand. Those of the kernel's, with real hosts on both sides, are in test/af-packet. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Arena } from '../../system/arena.ts';
import { completeFrame, completePacket, cutIntoSegments, isIncomplete } from './frame.ts';

const arena = Arena.map(1 << 20);
const AUXDATA = 256;
const HEADER = 512;
const AT = 1024;

const CHECKSUM_NOT_READY = 8;
const VLAN = 0x10 | 0x40;

const ADDRESSES = '020000000002020000000001';
/** IPv4 and TCP headers of a segment with 3 bytes of data, from 192.0.2.1:1 to 192.0.2.2:2; `check`: the checksum's place. */
const tcp4 = (check: string, fragment = '0000', total = '002b') =>
  `4500${total}0000${fragment}40060000c0000201c0000202` + `00010002000000010000000150101000${check}0000616263`;

function put(frame: string, { status = 0, tci = 0, tpid = 0 } = {}): { at: number; size: number } {
  arena.u32[AUXDATA >> 2] = status;
  arena.u16[(AUXDATA + 16) >> 1] = tci;
  arena.u16[(AUXDATA + 18) >> 1] = tpid;
  const bytes = Buffer.from(frame, 'hex');
  arena.u8.fill(0, HEADER, AT + 4096);
  arena.u8.set(bytes, AT);
  return { at: AT, size: bytes.length };
}

const textAt = ({ at, size }: { at: number; size: number }) =>
  Buffer.from(arena.u8.subarray(at, at + size)).toString('hex');

/** The sum of all words, as a receiver computes it: 0xffff where the checksum is right (RFC 1071). */
function sum(hex: string): number {
  const bytes = Buffer.from(hex.padEnd(Math.ceil(hex.length / 4) * 4, '0'), 'hex');
  let total = 0;
  for (let n = 0; n < bytes.length; n += 2) total += bytes.readUInt16BE(n);
  while (total > 0xffff) total = (total & 0xffff) + (total >> 16);
  return total;
}

const PSEUDO = 'c0000201c000020200060017';

test('a frame is whole unless the kernel says otherwise', () => {
  put('', { status: 1 });
  assert.equal(isIncomplete(arena, AUXDATA), false);
  assert.equal(isIncomplete(arena, 0), false, 'nothing is said of it');
  for (const status of [VLAN, CHECKSUM_NOT_READY]) {
    put('', { status });
    assert.equal(isIncomplete(arena, AUXDATA), true);
  }
});

test('a tag goes behind the addresses, with its type', () => {
  const customer = completeFrame(
    arena,
    put(`${ADDRESSES}88b50102`, { status: VLAN, tci: 0x0064, tpid: 0x88a8 }),
    AUXDATA,
  );
  assert.equal(textAt(customer), `${ADDRESSES}88a8006488b50102`);
  const untold = completeFrame(arena, put(`${ADDRESSES}88b50102`, { status: 0x10, tci: 0xe064 }), AUXDATA);
  assert.equal(textAt(untold), `${ADDRESSES}8100e06488b50102`);
});

test('a checksum that was left to the card is computed, behind tags too, and in a packet', () => {
  const partial = sum(PSEUDO).toString(16).padStart(4, '0');
  for (const tags of ['', '8100000a', '88a800018100000a']) {
    const frame = completeFrame(
      arena,
      put(`${ADDRESSES}${tags}0800${tcp4(partial)}`, { status: CHECKSUM_NOT_READY }),
      AUXDATA,
    );
    const segment = textAt(frame).slice(-46);
    assert.equal(sum(PSEUDO + segment), 0xffff, `tags ${tags}`);
  }
  const packet = put(tcp4(partial), { status: CHECKSUM_NOT_READY });
  completePacket(arena, packet, AUXDATA, 0x0800);
  assert.equal(sum(PSEUDO + textAt(packet).slice(-46)), 0xffff);
});

test('what is no TCP segment, or not all of one, is left as it is', () => {
  const partial = sum(PSEUDO).toString(16).padStart(4, '0');
  for (const frame of [
    `${ADDRESSES}0800${tcp4(partial, '2000')}`,
    `${ADDRESSES}0800${tcp4(partial, '0001')}`,
    `${ADDRESSES}88b5${tcp4(partial)}`,
    `${ADDRESSES}0800`,
    `${ADDRESSES}`,
    `${ADDRESSES}0800${tcp4(partial).slice(0, 60)}`,
  ]) {
    const at = put(frame, { status: CHECKSUM_NOT_READY });
    assert.equal(textAt(completeFrame(arena, at, AUXDATA)), frame);
    assert.equal(cutIntoSegments(arena, at, HEADER, 1500), false);
    assert.equal(textAt({ at: HEADER, size: 10 }), '00'.repeat(10));
  }
});

test('the kernel is told how a segment is to be cut', () => {
  const frame = put(`${ADDRESSES}8100000a0800${tcp4('dead')}`);
  assert.equal(cutIntoSegments(arena, frame, HEADER, 1500), true);
  const { u8, u16 } = arena;
  const word = (at: number) => u16[(HEADER + at) >> 1];
  assert.deepEqual([u8[HEADER], u8[HEADER + 1]], [1, 1], 'a checksum is needed, TCP over IPv4');
  assert.deepEqual([word(2), word(4), word(6), word(8)], [58, 1460, 38, 16], 'headers, size, where the checksum is');
  assert.equal(textAt(frame).slice(-14, -10), sum(PSEUDO).toString(16).padStart(4, '0'), 'the pseudo-header’s sum');
  assert.equal(cutIntoSegments(arena, frame, HEADER, 40), false, 'no room for data');
});
