import type { Engine } from '../core/engine.ts';
import type { Protocol, Spec } from '../core/protocol.ts';

/** What the suite needs to know of a protocol with both sides. */
export interface Subject {
  /** For the names of the tests. */
  readonly name: string;
  /** What takes part beside the built-in protocols. */
  readonly protocols?: readonly Protocol[];
  /** The specifications of a listener and of a cluster that leads to it, and the endpoint's address; new ones each time. */
  specs(): Promise<{ listener: Spec; cluster: Spec; address: string }>;
  /** Makes the I/O engine; the portable one where it is left out. */
  readonly engine?: (() => Engine) | undefined;
  /** Why nothing can be tried on this machine. */
  readonly skip?: string | false | undefined;
  /** The smallest message that it has, in bytes. Default 0. */
  readonly smallest?: number;
  /** Cases that this protocol cannot pass, each with the reason. */
  readonly skips?: Readonly<Partial<Record<CaseName, string>>>;
  /** Milliseconds after which a state that does not come is a failure. Default 30,000. */
  readonly patience?: number;
}

/** The cases of the suite; what each one asks for is said where it stands, in `cases/`. */
export type CaseName =
  | 'open'
  | 'metadata'
  | 'echo'
  | 'boundaries'
  | 'sizes'
  | 'ownership'
  | 'early data'
  | 'the server speaks first'
  | 'back-pressure'
  | 'bounded queue'
  | 'held reader'
  | 'full, then closed'
  | 'half-close'
  | 'close reason'
  | 'close for each reason'
  | 'peer death'
  | 'refusal'
  | 'end in the handshake';
