import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isEndpointFault, isFinal, isOwnFault } from '../cluster/outcome.ts';
import { L7mpError } from '../core/errors.ts';
import type { Metadata } from '../core/metadata.ts';
import type { Attempt } from '../core/protocol.ts';
import { attempt } from '../testing/fake-cluster-host.ts';
import { checkDialPort, dialPort, type PortSpec } from './dial-port.ts';

const HIT: PortSpec = { path: '/UDP/dst_port' };

const from = (metadata: Metadata, port?: number): Attempt => ({ ...attempt(metadata, 's', 'a'), port });
const hit = (port: unknown) => from({ UDP: { dst_port: port } } as Metadata);

function refused(spec: PortSpec, of: Attempt): string {
  try {
    dialPort(spec)(of);
  } catch (error) {
    assert.ok(error instanceof L7mpError);
    assert.equal(error.code, 'E_CONNECT');
    assert.deepEqual([isOwnFault(error), isEndpointFault(error), isFinal(error)], [true, false, true]);
    return error.message;
  }
  return assert.fail('it has a port');
}

describe('the port of an attempt', () => {
  test('is the endpoint’s own, else the one that is named, or none', () => {
    assert.equal(dialPort(80)(from({}, 81)), 81);
    assert.equal(dialPort(80)(from({})), 80);
    assert.equal(dialPort(HIT)(from({}, 81)), 81);
    assert.equal(dialPort(undefined)(from({})), undefined);
  });

  test('is what the metadata have, and an offset', () => {
    assert.equal(dialPort(HIT)(hit(10_500)), 10_500);
    assert.equal(dialPort({ path: 'UDP/dst_port', offset: 20_000 })(hit(10_500)), 30_500);
    assert.equal(dialPort({ ...HIT, offset: -10_499 })(hit(10_500)), 1);
    assert.equal(dialPort({ ...HIT, offset: 1 })(hit(65_534)), 65_535);
  });

  test('is refused where the metadata have none, and that is not held against the endpoint', () => {
    assert.match(refused(HIT, from({})), /nothing at \/UDP\/dst_port, where the port should be$/);
    for (const value of ['80', 80.5, null, true, {}, 0, -1, 65_536])
      assert.match(refused(HIT, hit(value)), /no port at \/UDP\/dst_port: /, `${value}`);
    assert.match(refused({ ...HIT, offset: 1 }, hit(65_535)), /: 65535, and 1 to be added$/);
    assert.ok(refused(HIT, hit('x'.repeat(1000))).length < 200);
    const { session: _, ...probe } = from({});
    assert.match(refused(HIT, probe as Attempt), /there is no session$/);
  });
});

test('a path that is no pointer is refused with the configuration', () => {
  checkDialPort(undefined);
  checkDialPort(80);
  checkDialPort(HIT);
  assert.throws(() => checkDialPort({ path: '/a~b' }), {
    code: 'E_INVALID',
    message: /^\/port\/path: "\/a~b" has a "~"/,
  });
});
