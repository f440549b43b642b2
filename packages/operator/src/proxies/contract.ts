/** Brings proxies to what they should have, and says how far each is. */
import type { ProxyPod, Wish } from '../translation/contract.ts';

/** How a proxy is, for the status of the objects on it. */
export type ProxyState =
  /**
   * Something is under way. `has`: what it had been wished, and had, before: what is the same object there as in its wish, it has.
   * Absent where nobody knows.
   */
  | { readonly state: 'pending'; readonly has?: Wish }
  | { readonly state: 'programmed' }
  /** Its API does not answer, or with what says nothing of the objects: 401, 403, 429, 502 and the like, or an error to a read. */
  | { readonly state: 'unreachable'; readonly message: string }
  /** It answers, and refuses some of what it should have: full name to the proxy's words. The rest is programmed. */
  | { readonly state: 'refused'; readonly objects: ReadonlyMap<string, string> };

export interface Proxies {
  /** Of a pod that has come, or whose wish, address or incarnation changed. Returns at once; each proxy has its own queue of one. */
  program(pod: ProxyPod, wish: Wish): void;
  /** A pod that has gone, or is a proxy no more: nothing is sent to it. */
  forget(uid: string): void;
  state(uid: string): ProxyState | undefined;
  /** Called with a pod's uid whenever its state is another one. */
  onState(listener: (uid: string) => void): void;
  /** Ends what is under way, and all timers. */
  close(): Promise<void>;
}
