/** Brings proxies to what they should have, and says how far each is. */
import type { ProxyPod, Wish } from '../translation/contract.ts';

/** How a proxy is, for the status of the objects on it. */
export type ProxyState =
  | { readonly state: 'pending' }
  | { readonly state: 'programmed' }
  /** Its API does not answer, or answers with 401, 403 or 5xx. */
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
