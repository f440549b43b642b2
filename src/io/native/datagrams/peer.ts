import type { Acceptor, Ends } from '../../../core/engine.ts';
import type { Metadata } from '../../../core/metadata.ts';
import { DatagramChannel } from './channel.ts';
import type { DatagramHub } from './hub.ts';
import type { Addressed } from './peer-table.ts';

/** What a listening port is to its peers. */
export interface PeerHost {
  readonly fd: number;
  readonly hub: DatagramHub;
  /** The ends of the peer whose address is at an offset. */
  endsOf(address: number): Ends;
  forget(peer: PeerChannel): void;
}

/** A peer of a listening socket. */
export class PeerChannel extends DatagramChannel implements Addressed<PeerChannel> {
  readonly address: number;
  next: PeerChannel | undefined;
  readonly #port: PeerHost;
  readonly acceptor: Acceptor;
  /** Once it has given its address back. */
  #ends: Ends | undefined;

  constructor(port: PeerHost, address: number, acceptor: Acceptor) {
    super(acceptor.limits);
    this.#port = port;
    this.address = address;
    this.acceptor = acceptor;
    port.hub.peers++;
  }

  get fd(): number {
    return this.#port.fd;
  }

  protected get hub(): DatagramHub {
    return this.#port.hub;
  }

  // An idle session has no use for them, and the address says them.
  get ends(): Ends {
    return this.#ends ?? this.#port.endsOf(this.address);
  }

  get wanders(): boolean {
    return this.open && this.hub.addresses.wanders(this.address);
  }

  get answersFrom(): string | undefined {
    return this.open ? this.hub.addresses.source(this.address) : undefined;
  }

  override describe(): Metadata {
    return this.acceptor.describe(this);
  }

  /** The n-th buffer of the batch is from it. */
  take(n: number): void {
    this.received(n);
  }

  protected override giveUp(): void {
    const { hub } = this;
    this.#ends = this.ends;
    this.#port.forget(this);
    hub.addresses.give(this.address);
    hub.peers--;
  }
}
