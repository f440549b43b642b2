/**
 * What protocols and transforms of other packages are tested with: `import { … } from 'l7mp/testing'`, in files for
 * `node --test`. Not for production.
 */
export { begun, FakeChannel, type FakeOptions, watch } from '../core/testing.ts';
export { createNodeEngine } from '../io/node/index.ts';
export { Collector, collect, hold } from './collector.ts';
export { runCompliance } from './compliance.ts';
export {
  attempt,
  dialLocal,
  type FakeAttempt,
  type FakeClusterHost,
  FakeCounter,
  FakeLog,
  FakeServices,
  fakeClusterHost,
  openCluster,
} from './fake-cluster-host.ts';
export { type FakeHost, type FakeHostOptions, fakeHost, listenSomewhere } from './fake-host.ts';
export { createMemoryNetwork } from './memory/index.ts';
export { freePort } from './ports.ts';
export type { CaseName, Subject } from './subject.ts';
export { runTransformCompliance, type TransformCase, type TransformSubject } from './transforms.ts';
export { turn, until } from './until.ts';
