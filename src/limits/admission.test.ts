import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Connections } from '../core/connections.ts';
import { SILENT } from '../core/log.ts';
import { forgetWorker } from '../counts/forget.ts';
import { makeCounts } from '../counts/memory.ts';
import { SharedCounts } from '../counts/shared-counts.ts';
import { Listener } from '../listener/listener.ts';
import type { ListenerDefinition } from '../model/definitions.ts';
import type { Plan } from '../session/plan.ts';
import type { Session } from '../session/session.ts';
import { Admission } from './admission.ts';

const LIMITS = { max_sessions: 8, max_connections: 1000, reserved_descriptors: 0, memory: 2 ** 40 };
const ADDRESS = '192.0.2.1';

/** One of several data planes that share their counts, with one listener. */
class Plane {
  readonly listener: Listener;
  readonly admission: Admission;
  readonly #sessions: Session[] = [];

  constructor(counts: SharedCounts, options: object, management = false) {
    const definition = { kind: 'listener', name: 'l', spec: { protocol: 'TCP' }, rules: 'r', options };
    this.listener = new Listener(definition as unknown as ListenerDefinition, {} as never, counts);
    this.admission = new Admission({
      log: SILENT,
      descriptors: 10_000,
      limits: LIMITS,
      counts,
      sessions: { all: () => this.#sessions.values() },
      connections: new Connections(counts.counter('connections')),
      leadsToManagement: () => management,
    });
  }

  /** Begins a session, as far as the limits are concerned. Returns whether it was taken; `side`: of its destination. */
  begin(address: string | undefined = ADDRESS, side: object = {}): boolean {
    const share = this.admission.take(this.listener, { address });
    if (share === undefined) return false;
    const session = { listener: this.listener, sourceShare: share, counted: false } as unknown as Session;
    try {
      this.admission.routed(session, { clusters: [{ side }], destination: 0 } as unknown as Plan);
    } catch {
      this.#over(session);
      return false;
    }
    this.#sessions.push(session);
    return true;
  }

  endOne(): void {
    this.#over(this.#sessions.pop() as Session);
  }

  #over(session: Session): void {
    this.admission.giveBack(this.listener, session.sourceShare);
    this.admission.ended(session);
  }
}

function planes(options: object = {}, management = false): { a: Plane; b: Plane; forgetA: () => void } {
  const memory = makeCounts({ workers: 2, sessions: 100 });
  const [a, b] = [0, 1].map((worker) => new Plane(new SharedCounts(memory, worker), options, management));
  return { a: a as Plane, b: b as Plane, forgetA: () => forgetWorker(memory, 0) };
}

describe('the data planes of a proxy together', () => {
  test('have no more sessions of a listener than it may have', () => {
    const { a, b } = planes({ max_sessions: 3 });
    assert.deepEqual([a.begin(), b.begin(), a.begin(), b.begin(), a.begin()], [true, true, true, false, false]);
    assert.deepEqual([a.admission.admit(a.listener), b.admission.admit(b.listener)], [false, false]);
    assert.equal(b.listener.rejects.get('max-sessions'), 2);
    b.endOne();
    assert.ok(a.admission.admit(a.listener) && a.begin());
    assert.deepEqual([a.listener.live.own, b.listener.live.own, a.listener.live.all], [3, 0, 3]);
  });

  test('have no more sessions of a source than one may have', () => {
    const { a, b } = planes({ max_sessions_per_source: 2 });
    assert.deepEqual([a.begin(), b.begin(), a.begin(), b.begin('192.0.2.2')], [true, true, false, true]);
    assert.ok(!b.admission.admit(b.listener, { address: ADDRESS }));
    assert.ok(b.admission.admit(b.listener, { address: '192.0.2.2' }));
    assert.ok(b.admission.admit(b.listener));
    a.endOne();
    assert.ok(b.begin());
  });

  test('have no more sessions than the whole may have, and its own do not count', () => {
    const { a, b } = planes({ max_sessions: 100, max_sessions_per_source: 100 });
    for (let n = 0; n < LIMITS.max_sessions / 2; n++) assert.ok(a.begin() && b.begin());
    assert.deepEqual([a.begin(), b.begin()], [false, false]);
    assert.ok(a.begin(ADDRESS, { management: true }));
    assert.ok(!a.admission.admit(a.listener));
    b.endOne();
    assert.ok(a.begin());
  });

  test('take whoever comes for the API, unless the listener says how many', () => {
    const { a, b } = planes({}, true);
    const api = { management: true };
    for (let n = 0; n < 2 * LIMITS.max_sessions; n++) assert.ok((n % 2 === 0 ? a : b).begin(ADDRESS, api));
  });

  test('have room again for what one had that has failed', () => {
    const { a, b, forgetA } = planes({ max_sessions: 2 });
    assert.ok(a.begin() && a.begin() && !b.begin());
    forgetA();
    assert.ok(b.begin());
  });
});
