import type { MessageAttributes } from '../../../core/channel.ts';
import * as k from '../system/constants.ts';
import { Backlog } from './backlog.ts';
import { ConnectedSocket } from './connected.ts';
import type { StreamHub } from './hub.ts';
import * as state from './state.ts';

/** A kernel socket of a byte stream: what is written to it. How it is received is its heir's business. */
export abstract class StreamSocket extends ConnectedSocket<StreamHub, Backlog> {
  override get kind(): 'stream' {
    return 'stream';
  }

  protected override send(bytes: Uint8Array, _attributes: MessageAttributes, owned: boolean): boolean {
    if (bytes.length === 0 || this.is(state.GONE | state.OVER)) return true;
    let done = 0;
    if (!this.backlog) {
      done = this.hub.send(this.fd, bytes);
      if (done === bytes.length) return true;
      const errno = this.hub.c.errno();
      if (errno !== k.EAGAIN) {
        this.overLater(errno);
        return true;
      }
    }
    this.wait().append(done > 0 ? bytes.subarray(done) : bytes, owned);
    return false;
  }

  /** For what the kernel does not take now. */
  wait(): Backlog {
    this.hearRoom();
    this.backlog ??= new Backlog(this.hub);
    return this.backlog;
  }
}
