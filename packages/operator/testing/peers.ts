import assert from 'node:assert/strict';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { until } from '../../../src/testing/until.ts';

/** A UDP socket on the loopback that ends with the test. */
export class UdpPeer {
  readonly socket = dgram.createSocket('udp4');
  received = 0;
  readonly #messages: string[] = [];

  private constructor(t: TestContext) {
    this.socket.on('message', (message) => {
      this.received++;
      this.#messages.push(String(message));
    });
    t.after(() => this.socket.close());
  }

  /** It returns what it gets. */
  static async echo(t: TestContext): Promise<UdpPeer> {
    const peer = new UdpPeer(t);
    peer.socket.on('message', (message, from) => peer.socket.send(message, from.port, from.address));
    peer.socket.bind(0, '127.0.0.1');
    await once(peer.socket, 'listening');
    return peer;
  }

  static async to(t: TestContext, port: number): Promise<UdpPeer> {
    const peer = new UdpPeer(t);
    peer.socket.connect(port, '127.0.0.1');
    await once(peer.socket, 'connect');
    return peer;
  }

  get port(): number {
    return this.socket.address().port;
  }

  /** Sends a message, and waits for it to come back. It is sent once: one that is lost is a failure. */
  async roundTrip(message: string): Promise<void> {
    this.socket.send(message);
    await until(() => this.#messages.length > 0, `the answer to ${message}`);
    assert.deepEqual(this.#messages.splice(0), [message]);
  }
}
