/**
 * What "works" means for a protocol: every protocol passes these cases, between its own two sides, or names the reason
 * why one cannot be passed. They are about channels, whatever is behind them; sessions have tests of their own.
 */
import { after, before, describe, test } from 'node:test';
import type { Engine } from '../core/engine.ts';
import { createNodeEngine } from '../io/node/index.ts';
import * as data from './cases/data.ts';
import * as ends from './cases/ends.ts';
import * as flow from './cases/flow.ts';
import type { CaseName, Subject } from './subject.ts';
import { Trial } from './trial.ts';

export const CASES: Readonly<Record<CaseName, (trial: Trial) => Promise<void>>> = {
  open: data.open,
  metadata: data.metadata,
  echo: data.echo,
  boundaries: data.boundaries,
  sizes: data.sizes,
  ownership: data.ownership,
  'early data': data.earlyData,
  'the server speaks first': data.serverFirst,
  'back-pressure': flow.backPressure,
  'bounded queue': flow.boundedQueue,
  'held reader': flow.heldReader,
  'full, then closed': flow.fullThenClosed,
  'half-close': ends.halfClose,
  'close reason': ends.closeReason,
  'close for each reason': ends.eachReason,
  'peer death': ends.peerDeath,
  refusal: ends.refusal,
  'end in the handshake': ends.endInHandshake,
};

/**
 * Adds the suite's cases to a file of tests for `node --test`. One that the protocol cannot pass is named in `skips`, with
 * the reason. Throws nothing; a case that fails says what it waited for, or which value was wrong.
 *
 * @example
 * runCompliance({
 *   name: 'LengthPrefix on TCP',
 *   protocols: [lengthPrefix],
 *   specs: async () => {
 *     const transport = { protocol: 'TCP', port: await freePort() };
 *     return {
 *       listener: { protocol: 'LengthPrefix', transport: { ...transport, address: '127.0.0.1' } },
 *       cluster: { protocol: 'LengthPrefix', transport },
 *       address: '127.0.0.1',
 *     };
 *   },
 * });
 */
export function runCompliance(subject: Subject): void {
  describe(`${subject.name} complies`, { skip: subject.skip ?? false }, () => {
    let io: Engine;
    before(() => {
      io = (subject.engine ?? createNodeEngine)();
    });
    after(() => io.close());
    for (const [name, run] of Object.entries(CASES) as [CaseName, (typeof CASES)[CaseName]][]) {
      test(name, { skip: subject.skips?.[name] ?? false }, (t) => run(new Trial(t, subject, io)));
    }
  });
}
