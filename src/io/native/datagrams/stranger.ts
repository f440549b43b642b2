import type { Destination } from './sender.ts';

/** A sender that is answered without being a peer. What cannot be sent is lost, as any datagram may be. */
export class Stranger implements Destination {
  readonly fd: number;
  readonly address: number;
  segments = false;
  message = -1;

  constructor(fd: number, address: number) {
    this.fd = fd;
    this.address = address;
  }

  drop(): void {}

  failed(): void {}
}
