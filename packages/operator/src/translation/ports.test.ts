import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Claim, claimOf, collide, describe as describeClaim, wantsApiPort } from './ports.ts';
import type { Spec } from './protocols.ts';

const claim = (spec: Spec): Claim => claimOf(spec) as Claim;
const tcp = (address?: string, port = 80) => claim({ protocol: 'TCP', port, ...(address && { address }) });

describe('two listeners', () => {
  it('want the same where one has all addresses, of IPv4 or of both families', () => {
    const pairs: [string | undefined, string | undefined, boolean][] = [
      [undefined, undefined, true],
      [undefined, '127.0.0.1', true],
      ['0.0.0.0', '::1', false],
      ['::', '127.0.0.1', true],
      ['::', '0.0.0.0', true],
      ['[::1]', '::1', true],
      ['127.0.0.1', '127.0.0.2', false],
    ];
    for (const [a, b, same] of pairs) {
      assert.equal(collide(tcp(a), tcp(b)), same, `${a} and ${b}`);
      assert.equal(collide(tcp(b), tcp(a)), same, `${b} and ${a}`);
    }
    assert.ok(!collide(tcp(undefined, 80), tcp(undefined, 81)));
  });

  it('want the same whatever stands on the socket', () => {
    const udp = claim({ protocol: 'UDP', port: 80 });
    assert.ok(collide(tcp(), claim({ protocol: 'WebSocket', port: 80 })));
    assert.ok(collide(tcp(), claim({ protocol: 'JSONSocket', transport: { protocol: 'HTTP', port: 80 } })));
    assert.ok(collide(udp, claim({ protocol: 'JSONSocket', transport_spec: { protocol: 'UDP', port: 80 } })));
    assert.ok(!collide(tcp(), udp));
  });

  it('want the same where ranges of ports have one in common', () => {
    const many = (ports: string) => claim({ protocol: 'UDP', ports });
    const one = (port: number) => claim({ protocol: 'UDP', port });
    for (const [a, b, same] of [
      [many('10-19'), many('19-29'), true],
      [many('10-19'), many('20-29'), false],
      [many('10-19'), one(15), true],
      [many('10-19'), one(9), false],
    ] as const) {
      assert.equal(collide(a, b), same);
      assert.equal(collide(b, a), same);
    }
    assert.equal(describeClaim(many('10-19')), 'UDP ports 10-19');
    assert.ok(wantsApiPort(claim({ protocol: 'HTTP', ports: '1200-1300' }), 1234));
    assert.ok(!wantsApiPort(claim({ protocol: 'HTTP', ports: '1200-1233' }), 1234));
  });

  it('want the same path of a socket', () => {
    const unix = (filename: string) => claim({ protocol: 'UnixDomainSocket', filename });
    assert.ok(collide(unix('/tmp/a'), unix('/tmp/a')));
    assert.ok(!collide(unix('/tmp/a'), unix('/tmp/b')));
  });
});

it('the port of the API is taken on every address, of TCP alone', () => {
  assert.ok(wantsApiPort(tcp('127.0.0.1', 1234), 1234));
  assert.ok(!wantsApiPort(claim({ protocol: 'UDP', port: 1234 }), 1234));
});

it('of a listener that opens no socket that we know of nothing is claimed', () => {
  assert.equal(claimOf({ protocol: 'Unheard' }), undefined);
});
