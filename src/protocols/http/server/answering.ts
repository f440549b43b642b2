import { Channel, type Head, type Headers } from '../../../core/channel.ts';
import { asL7mpError, L7mpError } from '../../../core/errors.ts';
import { textOf } from '../../../core/told.ts';
import { endToEnd } from '../headers.ts';

/** A request and its answer, whichever version they have come by: what is to be said of an answer before its body. */
export abstract class AnsweringChannel extends Channel {
  readonly kind = 'stream';

  override get halfClose(): boolean {
    return true;
  }

  override get exchange(): boolean {
    return true;
  }

  override accept(head?: Head): void {
    if (!head?.switches) this.stay();
    // Other protocols' answers have no status, and say nothing about this response.
    if (head?.status !== undefined) this.head(head);
    else if (!head?.tellsContinue) this.goOn();
  }

  override head({ status = 200, headers = {} }: Head): void {
    if (this.begun) return;
    if (status === 100) this.goOn();
    const switching = status === 101 && this.switches;
    if (status >= 100 && status < 200 && !switching) {
      this.inform(status, headers);
      return;
    }
    try {
      if (!switching && (status < 200 || status > 599)) {
        throw new L7mpError('E_HANDSHAKE', `${status} is no status of an answer`);
      }
      if (switching) this.switch(endToEnd(headers));
      else this.begin(status, endToEnd(headers));
    } catch (thrown) {
      const error = asL7mpError(thrown, 'E_HANDSHAKE');
      this.answerError(error.status, textOf(error.code));
      this.deliverClose({ kind: 'error', message: error.message });
    }
  }

  override refuse(error: L7mpError): void {
    if (!this.begun) this.answerError(error.status, error.message);
    super.refuse(error);
  }

  /** The head of the answer is fixed. */
  protected abstract get begun(): boolean;
  /** Tells a client that waits for it to send its body. */
  protected abstract goOn(): void;
  /** Passes an informational answer on, but for those about the connection (RFC 9110 section 15.2). */
  protected abstract inform(status: number, headers: Headers): void;
  /** Begins the answer: its head leaves with what comes at once behind it. Throws where it cannot be sent. */
  protected abstract begin(status: number, headers: Headers): void;
  /** Answers with an error, whatever was begun; nothing more is wanted of the client. */
  protected abstract answerError(status: number, content: string): void;

  /** The client stays with HTTP. */
  protected stay(): void {}
  /** It goes on in the protocol that it has asked for. */
  protected switch(_headers: Headers): void {}
}
