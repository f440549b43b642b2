import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FakeChannel } from '../core/testing.ts';
import { type Candidate, HalfMade } from './half-made.ts';

/** The clock of these tests, in milliseconds. */
const NOW = 1_000_000;

class FakeSession implements Candidate {
  readonly source: FakeChannel;
  readonly lastActivity: number;
  over = false;

  /** Messages from the client, and to it; and since when it has been silent. */
  constructor(messagesIn: number, messagesOut: number, { silent = 10_000, lossy = true } = {}) {
    this.source = new FakeChannel({ lossy });
    this.source.messagesIn = messagesIn;
    this.source.messagesOut = messagesOut;
    this.lastActivity = NOW - silent;
  }

  refresh(): void {}

  end(): void {
    this.over = true;
  }
}

describe('what gives way to a new session', () => {
  const ended = (...sessions: FakeSession[]): boolean[] => {
    const halfMade = new HalfMade(
      () => sessions,
      () => NOW,
    );
    while (halfMade.endOldest());
    return sessions.map(({ over }) => over);
  };

  test('was never answered, or has said nothing after it was', () => {
    assert.deepEqual(ended(new FakeSession(1, 0), new FakeSession(5, 0), new FakeSession(1, 9)), [true, true, true]);
  });

  test('is none whose client has answered, or that the configuration has made', () => {
    assert.deepEqual(ended(new FakeSession(2, 1), new FakeSession(0, 0)), [false, false]);
  });

  test('is none that was heard of lately, or that could be told to wait', () => {
    assert.deepEqual(ended(new FakeSession(1, 0, { silent: 1999 }), new FakeSession(1, 0, { lossy: false })), [
      false,
      false,
    ]);
  });

  test('is the oldest one, each time', () => {
    const sessions = [new FakeSession(2, 2), new FakeSession(1, 0), new FakeSession(1, 1)];
    const halfMade = new HalfMade(
      () => sessions,
      () => NOW,
    );
    assert.ok(halfMade.endOldest());
    assert.deepEqual(
      sessions.map(({ over }) => over),
      [false, true, false],
    );
  });

  test('is looked for once for many, and once a second where there is none', () => {
    let looks = 0;
    let now = NOW;
    const sessions = Array.from({ length: 10_000 }, () => new FakeSession(1, 0));
    const all = function* (): Iterable<FakeSession> {
      for (const session of sessions) {
        looks++;
        yield session;
      }
    };
    const halfMade = new HalfMade(all, () => now);
    for (let n = 0; n < 4096; n++) assert.ok(halfMade.endOldest());
    assert.equal(looks, 4096);
    for (const session of sessions) session.over = true;
    for (let n = 0; n < 1000; n++) assert.ok(!halfMade.endOldest());
    assert.equal(looks, 4096 + 10_000);
    now += 1000;
    assert.ok(!halfMade.endOldest());
    assert.equal(looks, 4096 + 20_000);
  });
});
