import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { endpointWeights, type Share } from './weights.ts';

describe('the weights of endpoints', () => {
  it('are 1 where one backend has all, so that none changes when another endpoint comes', () => {
    assert.deepEqual(
      endpointWeights([
        { weight: 70, endpoints: 3 },
        { weight: 0, endpoints: 5 },
        { weight: 3, endpoints: 0 },
      ]),
      [1, 0, 0],
    );
  });

  it('divide a backend’s share evenly, exactly where that can be', () => {
    assert.deepEqual(
      endpointWeights([
        { weight: 70, endpoints: 3 },
        { weight: 30, endpoints: 1 },
      ]),
      [7, 9],
    );
    assert.deepEqual(
      endpointWeights([
        { weight: 1_000_000, endpoints: 1 },
        { weight: 500_000, endpoints: 1 },
      ]),
      [2, 1],
    );
  });

  it('are what the proxy takes, none is lost, and all are within a thousandth of the largest', () => {
    const share = fc.record({
      weight: fc.integer({ min: 0, max: 1_000_000 }),
      endpoints: fc.integer({ min: 0, max: 2000 }),
    });
    fc.assert(
      fc.property(fc.array(share, { maxLength: 16 }), (shares) => {
        const weights = endpointWeights(shares);
        const largest = Math.max(...weights, 1);
        const exact = shares.map(portion);
        const most = Math.max(...exact, Number.MIN_VALUE);
        for (const [n, weight] of weights.entries()) {
          assert.ok(Number.isInteger(weight) && weight >= 0 && weight <= 65_535);
          assert.equal(weight > 0, (exact[n] ?? 0) > 0);
          assert.ok(Math.abs(weight / largest - (exact[n] ?? 0) / most) <= 0.001);
        }
      }),
    );
  });
});

function portion({ weight, endpoints }: Share): number {
  return endpoints ? weight / endpoints : 0;
}
