/** The handshakes of layers: a listener's, bounded in number and in time, and those within an attempt to dial. */
import { hostPort } from './address.ts';
import { onAbort } from './attempt.ts';
import type { Channel } from './channel.ts';
import type { First } from './engine.ts';
import { type ErrorCode, L7mpError } from './errors.ts';
import type { LayerChannel } from './layer.ts';
import type { Attempt, Dialer, ListenerHost, Listening, Spec } from './protocol.ts';
import { Shares } from './shares.ts';
import { addressOf, peerOf, sourceOfAddress } from './source.ts';

/** Milliseconds that a peer's handshake may take, where the listener's options do not say. */
export const HANDSHAKE_TIMEOUT = 5000;

/** Milliseconds after which it is looked again whether one is late, at most: the time that they have may be cut. */
const LOOKS = 1000;

/** Handshakes of one listener at a time: what peers that never finish may cost. */
export const MAX_HANDSHAKES = 1024;

/** Makes the layer of one channel. Nothing happens to that channel before the layer's `begin`. */
export type Wrap = (lower: Channel) => LayerChannel;

/** The same for a listener, which may leave a channel as it is: undefined then. */
export type WrapAccepted = (lower: Channel) => LayerChannel | undefined;

/** The cause of a handshake's error: by which word it is counted, in place of `broken-handshake`. The words are a closed set. */
export interface Rejected {
  readonly reject: string;
}

/** What they need of a listener. */
export interface HandshakeHost extends Pick<ListenerHost, 'name' | 'options' | 'log' | 'admit' | 'accept' | 'reject'> {
  readonly io: { readonly connections: { readonly scarce: boolean } };
}

interface Pending {
  readonly layer: LayerChannel;
  /** The peer's, where it has one. */
  readonly address: string | undefined;
  /** When it began, on the clock of performance.now(). */
  readonly since: number;
}

/**
 * The handshakes that a listener's peers have begun and not finished. A session begins, and the listener's name for it
 * is spent, only when one is over.
 */
export class Handshakes {
  readonly #host: HandshakeHost;
  readonly #most: number;
  readonly #pending = new Shares<Pending>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** `most` at a time. */
  constructor(host: HandshakeHost, most = MAX_HANDSHAKES) {
    this.#host = host;
    this.#most = most;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /**
   * Begins the handshake on a channel that was accepted. Where there are as many as may be, or hardly a descriptor is
   * left, the oldest one gives way: silent peers must not keep others out.
   */
  take(lower: Channel, wrap: WrapAccepted): void {
    if (this.#closed) {
      lower.close({ kind: 'refused', message: 'the listener is closed' });
      return;
    }
    const layer = wrap(lower);
    const address = addressOf(lower);
    if (!layer) {
      this.#admit(lower, address);
      return;
    }
    const source = address === undefined ? undefined : sourceOfAddress(address);
    if (this.#pending.size >= this.#most || this.#host.io.connections.scarce) {
      this.#pending.victim(source)?.layer.fail(new L7mpError('E_LIMIT', 'gave way to a newer handshake'), 'refused');
    }
    const pending: Pending = { layer, address, since: performance.now() };
    this.#pending.add(pending, source);
    // One timer for all, and none for a handshake that is over within its first message.
    this.#timer ??= setTimeout(this.#expire, Math.min(this.#timeout, LOOKS)).unref();
    const observer = {
      completed: () => this.#completed(pending),
      failed: (error: L7mpError) => this.#failed(pending, error),
    };
    layer.begin(observer, true);
  }

  /** Breaks off what is pending: nothing is accepted any more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    const error = new L7mpError('E_DISCONNECT', 'the listener is closed');
    for (const { layer } of this.#pending) layer.fail(error, 'deleted');
  }

  // The transport has asked `admit` before, and has counted what it refused. That was before the handshake, and many
  // may be going on at once: so it is asked again, of those that were let through then.
  #completed(pending: Pending): void {
    this.#pending.delete(pending);
    const { layer, address } = pending;
    this.#admit(layer, layer.announced ?? address);
  }

  #admit(channel: Channel, address: string | undefined): void {
    if (this.#host.admit({ address, lossy: channel.lossy })) this.#host.accept(channel);
    else channel.refuse(new L7mpError('E_LIMIT', 'too many sessions'));
  }

  #failed(pending: Pending, { code, message, cause }: L7mpError): void {
    const { log, name } = this.#host;
    this.#pending.delete(pending);
    if (this.#closed) return;
    this.#host.reject((cause as Partial<Rejected> | undefined)?.reject ?? REJECTS[code] ?? 'broken-handshake');
    if (!log.enabled('verbose')) return;
    const peer = peerOf(pending.layer);
    const from = peer ? ` from ${hostPort(peer.address, peer.port)}` : '';
    log.write('verbose', name, `broken handshake${from}: ${message}`);
  }

  /** Milliseconds. The options may change while handshakes go on. */
  get #timeout(): number {
    const { handshake_timeout: own, connect_timeout: attempt } = this.#host.options;
    return own ?? attempt ?? HANDSHAKE_TIMEOUT;
  }

  #expire = (): void => {
    const now = performance.now();
    const timeout = this.#timeout;
    this.#timer = undefined;
    for (const { layer, since } of this.#pending) {
      const left = since + timeout - now;
      if (left > 0) {
        this.#timer = setTimeout(this.#expire, Math.min(left, LOOKS)).unref();
        return;
      }
      layer.fail(new L7mpError('E_TIMEOUT', `no handshake within ${timeout} ms`), 'refused');
    }
  };
}

/** Why a handshake has failed, where it was not broken by its peer. */
const REJECTS: { readonly [code in ErrorCode]?: string } = {
  E_TIMEOUT: 'handshake-timeout',
  E_LIMIT: 'too-many-handshakes',
};

/**
 * Listens on the transport `spec`, and gives to `host` what `wrap` makes of its channels, once it has shaken hands.
 *
 * Rejects with E_BIND where the transport does. Handshakes that break, or take longer than the listener's
 * `handshake_timeout` (its `connect_timeout`, or 5,000 ms, by default), are counted as rejections and begin no session; so
 * are those that give way to newer ones, of which there may be too many. `first`: what looks at datagrams before there is a
 * channel. `everybody`: whose addresses are allowed shows in the handshake.
 *
 * @example listen: ({ transport }, host) => listenOnLayer(host, transport, (lower) => new FramedChannel(lower)),
 */
export async function listenOnLayer(
  host: ListenerHost,
  spec: Spec,
  wrap: WrapAccepted,
  { first, everybody = false }: { readonly first?: First; readonly everybody?: boolean } = {},
): Promise<Listening> {
  const handshakes = new Handshakes(host);
  const below = await host.listenOn(spec, (lower) => handshakes.take(lower, wrap), first, everybody);
  return {
    close: () => {
      handshakes.close();
      return below.close();
    },
  };
}

/**
 * Dials with `below` and shakes hands, within the time of the attempt, which the caller keeps.
 *
 * Rejects with what `below` rejects with; with E_HANDSHAKE where the peer breaks the handshake, E_TIMEOUT where the
 * attempt is over before it is, E_DISCONNECT where the connection is closed right behind it. Nothing is left behind then.
 *
 * @example dial: (attempt) => dialLayer(below, attempt, (lower) => new FramedChannel(lower)),
 */
export async function dialLayer(below: Dialer, attempt: Attempt, wrap: Wrap): Promise<LayerChannel> {
  const late = () => new L7mpError('E_TIMEOUT', `${attempt.address}: no handshake within ${attempt.timeout} ms`);
  const lower = await below.dial(attempt);
  const { signal } = attempt;
  if (signal.aborted) {
    lower.close({ kind: 'end', message: 'not wanted any more' });
    throw late();
  }
  const layer = wrap(lower);
  const stopWaiting = onAbort(signal, () => layer.fail(late()));
  try {
    await new Promise<void>((completed, failed) => layer.begin({ completed, failed }));
  } finally {
    stopWaiting();
  }
  // Nobody could be told: the owner comes with the answer.
  if (!layer.open) throw new L7mpError('E_DISCONNECT', `${attempt.address}: closed right after the handshake`);
  return layer;
}
