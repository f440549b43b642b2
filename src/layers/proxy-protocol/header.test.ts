import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Dice } from '../../../test/support/random.ts';
import { crc32c } from './crc32c.ts';
import { MAX_HEADER, readHeader } from './header.ts';
import { NONE, tlv, version2, type Written } from './testing.ts';
import { writeHeader } from './write.ts';

const read = (text: string) => readHeader(Buffer.from(text, 'latin1'));

const REFUSED = { code: 'E_HANDSHAKE', message: /^PROXY protocol: / };

const ENDS = {
  source: '192.0.2.1',
  destination: '192.0.2.2',
  ports: { source: 1234, destination: 80 },
} as const;

describe('a header of version 1', () => {
  test('names the ends of a connection of TCP, and is as long as its line', () => {
    const line = 'PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n';
    assert.deepEqual(read(`${line}PROXY`), {
      version: 1,
      length: line.length,
      announced: { ...ENDS, transport: 'TCP' },
    });
    const { announced } = read('PROXY TCP6 2001:DB8:0::1 ::ffff:1.2.3.4 0 65535\r\n') ?? {};
    assert.deepEqual(announced, {
      source: '2001:db8::1',
      destination: '1.2.3.4',
      ports: { source: 0, destination: 65_535 },
      transport: 'TCP',
    });
  });

  test('that is of unknown peers announces nobody, whatever follows', () => {
    for (const rest of ['', ' ', ' ffff::1 ffff::2 1 2', ' whatever']) {
      assert.deepEqual(read(`PROXY UNKNOWN${rest}\r\n`), { version: 1, length: 15 + rest.length });
    }
  });

  test('is waited for while it may still become one, to 107 bytes', () => {
    const longest = `PROXY UNKNOWN ${'x'.repeat(91)}\r\n`;
    assert.equal(longest.length, 107);
    for (let length = 0; length < longest.length; length++) assert.equal(read(longest.slice(0, length)), undefined);
    assert.equal(read(longest)?.length, 107);
  });

  test('is refused where it is too long, or not to the letter', () => {
    const wrong = [
      `PROXY UNKNOWN ${'x'.repeat(92)}\r`,
      'PROXY\r\n',
      'PROXY \r\n',
      'PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n',
      'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n',
      'PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n',
      'PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n',
      'PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n',
      'PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n',
      'PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n',
      'PROXY TCP4 192.0.2.1 192.0.2.2 1e3 2\r\n',
      'PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n',
      'PROXY TCP4 ::1 ::2 1 2\r\n',
      'PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n',
      'PROXY TCP6 fe80::1%lo ::2 1 2\r\n',
      'PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n',
      'proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n',
      'PROXYTCP4',
      'GET / HTTP/1.1\r\n',
      '\r\n\r\n\0\r\nQUITS',
      'x',
    ];
    for (const line of wrong) assert.throws(() => read(line), REFUSED, JSON.stringify(line));
  });
});

const readVersion2 = (written: Written) => readHeader(version2(written));

describe('a header of version 2', () => {
  test('names the ends of a connection, with the transport', () => {
    assert.deepEqual(readVersion2({}), { version: 2, length: 28, announced: { ...ENDS, transport: 'TCP' } });
    assert.equal(readVersion2({ family: 0x12 })?.announced?.transport, 'UDP');
    const addresses = Buffer.concat([
      Buffer.alloc(15),
      Buffer.of(1),
      Buffer.alloc(10),
      Buffer.from('ffff01020304', 'hex'),
      Buffer.of(0, 7, 0, 9),
    ]);
    for (const [family, transport] of [
      [0x21, 'TCP'],
      [0x22, 'UDP'],
    ] as const) {
      const announced = { source: '::1', destination: '1.2.3.4', ports: { source: 7, destination: 9 }, transport };
      assert.deepEqual(readVersion2({ family, addresses }), { version: 2, length: 52, announced });
    }
  });

  test('names the paths of UNIX sockets', () => {
    const addresses = Buffer.alloc(216);
    addresses.write('/run/a.sock');
    addresses.write('\0abstract', 108);
    const announced = { source: '/run/a.sock', destination: '@abstract', transport: 'UNIX' };
    for (const family of [0x31, 0x32]) assert.deepEqual(readVersion2({ family, addresses })?.announced, announced);
    assert.deepEqual(readVersion2({ family: 0x31, addresses: Buffer.alloc(216) })?.announced?.source, '');
  });

  test('that is of the proxy itself, or of unknown peers, announces nobody', () => {
    assert.deepEqual(readVersion2({ command: 0x20 }), { version: 2, length: 28 });
    assert.deepEqual(readVersion2({ command: 0x20, family: 0xff, addresses: NONE }), { version: 2, length: 16 });
    assert.deepEqual(readVersion2({ family: 0, addresses: NONE }), { version: 2, length: 16 });
    // What such a header says beside the addresses is of no account.
    assert.deepEqual(readVersion2({ command: 0x20, tlvs: Buffer.of(1, 0xff) }), { version: 2, length: 30 });
  });

  test('says more in TLVs: by name, in hexadecimal where it has none', () => {
    const ssl = Buffer.concat([Buffer.of(5, 0, 0, 0, 0), tlv(0x21, 'TLSv1.3'), tlv(0x22, 'client'), tlv(0x2f, 'x')]);
    const tlvs = [
      tlv(0x01, 'h2'),
      tlv(0x02, 'example.org'),
      tlv(0x04, 'padding'),
      tlv(0x05, Buffer.of(0, 0xff)),
      tlv(0x20, ssl),
      tlv(0x30, 'blue'),
      tlv(0xea, Buffer.of(1, 2)),
    ];
    assert.deepEqual(readVersion2({ tlvs: Buffer.concat(tlvs) })?.tlvs, {
      alpn: 'h2',
      authority: 'example.org',
      unique_id: '00ff',
      ssl: {
        ssl: true,
        cert_conn: false,
        cert_sess: true,
        verified: true,
        version: 'TLSv1.3',
        cn: 'client',
        '0x2f': '78',
      },
      netns: 'blue',
      '0xea': '0102',
    });
  });

  test('has the right checksum, where it has one', () => {
    const header = version2({ tlvs: Buffer.concat([tlv(0x03, Buffer.alloc(4)), tlv(0x01, 'h2')]) });
    header.writeUInt32BE(crc32c(header), 28 + 3);
    assert.deepEqual(readHeader(header)?.tlvs, { alpn: 'h2' });
    header.writeUInt8(header.readUInt8(20) ^ 1, 20);
    assert.throws(() => readHeader(header), { ...REFUSED, message: /a wrong checksum/ });
    assert.throws(() => readVersion2({ tlvs: tlv(0x03, 'xyz') }), REFUSED);
  });

  test('is waited for until it is whole', () => {
    const header = version2({ tlvs: tlv(0x01, 'h2') });
    for (let length = 0; length < header.length; length++) {
      assert.equal(readHeader(header.subarray(0, length)), undefined);
    }
    assert.equal(readHeader(Buffer.concat([header, Buffer.from('data')]))?.length, header.length);
  });

  test('is refused at once where it says that it is larger than 4,112 bytes', () => {
    const most = MAX_HEADER - 16;
    const padding = Buffer.alloc(most - 12);
    padding.writeUInt8(0x04, 0);
    padding.writeUInt16BE(padding.length - 3, 1);
    assert.equal(readVersion2({ tlvs: padding })?.length, MAX_HEADER);
    assert.throws(() => readVersion2({ length: most + 1 }), REFUSED);
  });

  test('is refused where it is not what the protocol has', () => {
    const wrong: Written[] = [
      { command: 0x11 },
      { command: 0x31 },
      { command: 0x22 },
      { family: 0x10 },
      { family: 0x13 },
      { family: 0x41 },
      { addresses: NONE },
      { family: 0x21 },
      { family: 0x31 },
      { tlvs: Buffer.of(1) },
      { tlvs: Buffer.of(1, 0, 2, 0) },
      { tlvs: tlv(0x20, 'four') },
      { tlvs: tlv(0x20, Buffer.from([0, 0, 0, 0, 0, 0x21, 0, 9])) },
    ];
    for (const written of wrong) assert.throws(() => readVersion2(written), REFUSED, JSON.stringify(written));
  });
});

test('the checksum is that of RFC 3720, appendix B.4', () => {
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
});

describe('a header that is written', () => {
  const tcp = (src_addr: string, dst_addr: string) => ({
    IP: { src_addr, dst_addr },
    TCP: { src_port: 1234, dst_port: 80 },
  });

  test('is read as what it was made of', () => {
    for (const version of ['v1', 'v2'] as const) {
      for (const [source, destination] of [
        ['192.0.2.1', '192.0.2.2'],
        ['2001:db8::1', '::'],
        ['1:2:3:4:5:6:7:8', '::1'],
        ['fe80::1', 'ff02::1'],
      ] as const) {
        const header = writeHeader(version, tcp(source, destination));
        const announced = { source, destination, ports: ENDS.ports, transport: 'TCP' };
        assert.deepEqual(readHeader(header), { version: version === 'v1' ? 1 : 2, length: header.length, announced });
      }
    }
  });

  test('has an IPv4 address beside one of IPv6 as a mapped one, and no zone', () => {
    const metadata = tcp('192.0.2.1', 'fe80::2%lo');
    assert.equal(writeHeader('v1', metadata).toString(), 'PROXY TCP6 ::ffff:192.0.2.1 fe80::2 1234 80\r\n');
    const { source, destination } = readHeader(writeHeader('v2', metadata))?.announced ?? {};
    assert.deepEqual([source, destination], ['192.0.2.1', 'fe80::2']);
    assert.equal(writeHeader('v2', metadata)[13], 0x21);
  });

  test('says UDP in version 2, and nothing in version 1, which cannot', () => {
    const metadata = { IP: { src_addr: '192.0.2.1', dst_addr: '192.0.2.2' }, UDP: { src_port: 1234, dst_port: 80 } };
    assert.deepEqual(readHeader(writeHeader('v2', metadata))?.announced, { ...ENDS, transport: 'UDP' });
    assert.equal(writeHeader('v1', metadata).toString(), 'PROXY UNKNOWN\r\n');
  });

  test('says UNKNOWN, or LOCAL, where the metadata have no addresses, or have been rewritten to what is none', () => {
    const { IP, TCP } = tcp('192.0.2.1', '192.0.2.2');
    const unknown = [
      undefined,
      { UNIX: { filename: '/x' } },
      { IP },
      { TCP },
      { IP: { ...IP, src_addr: 'host.example' }, TCP },
      { IP: { ...IP, src_addr: 7 }, TCP },
      { IP, TCP: { ...TCP, src_port: 70_000 } },
      { IP, TCP: { ...TCP, src_port: '80' } },
      { IP: 'x', TCP },
    ];
    for (const metadata of unknown) {
      assert.equal(writeHeader('v1', metadata).toString(), 'PROXY UNKNOWN\r\n');
      assert.deepEqual(writeHeader('v2', metadata), version2({ command: 0x20, family: 0, addresses: NONE }));
    }
  });
});

test('whatever comes is a header, the beginning of one, or refused', () => {
  const dice = new Dice(7);
  const valid = [
    Buffer.from('PROXY TCP6 2001:db8::1 2001:db8::2 1234 80\r\n'),
    version2({
      tlvs: Buffer.concat([tlv(0x20, Buffer.from('000000000021000131', 'hex')), tlv(0x03, Buffer.alloc(4))]),
    }),
    version2({ family: 0x31, addresses: Buffer.alloc(216, 'x') }),
  ];
  const found = { whole: 0, begun: 0, refused: 0 };
  for (let n = 0; n < 20_000; n++) {
    const bytes = Buffer.from(dice.pick(valid).subarray(0, dice.chance(0.1) ? dice.below(60) : undefined));
    for (let change = dice.below(4); change > 0 && bytes.length > 0; change--) {
      bytes[dice.below(bytes.length)] = dice.below(256);
    }
    try {
      const header = readHeader(bytes);
      if (header) assert.ok(header.length <= bytes.length);
      else assert.ok(bytes.length < MAX_HEADER);
      found[header ? 'whole' : 'begun']++;
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'E_HANDSHAKE');
      found.refused++;
    }
  }
  for (const [what, count] of Object.entries(found)) assert.ok(count > 100, `${what}: ${count}`);
});
