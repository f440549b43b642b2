import type { MessageAttributes, QueueLimits } from '../../core/channel.ts';
import { LocalChannel } from '../../core/local-channel.ts';

/** The sessions of one label. Gone when the last has left. */
export class Group {
  readonly #members = new Set<Member>();
  readonly #emptied: () => void;
  /** Members that may still send. */
  #speakers = 0;

  constructor(emptied: () => void) {
    this.#emptied = emptied;
  }

  /** `session`: its name. Channels of one session do not hear each other. */
  join(session: string, limits: QueueLimits): Member {
    const member = new Member(this, session, limits);
    this.#members.add(member);
    this.#speakers++;
    return member;
  }

  /** Gives the message to every other session. `bytes` may be kept, and are shared: nobody changes them. */
  broadcast(from: Member, bytes: Uint8Array, attributes: MessageAttributes): void {
    for (const member of this.#members) {
      if (member.session !== from.session) member.hear(bytes, attributes);
    }
  }

  /** The member sends no more. When nobody does, nothing can come any more, and all of them hear the end. */
  silence(): void {
    this.#speakers--;
    if (this.#speakers > 0) return;
    for (const member of this.#members) member.hearEnd();
  }

  leave(member: Member): void {
    this.#members.delete(member);
    if (this.#members.size === 0) this.#emptied();
    if (!member.endSent) this.silence();
  }
}

/**
 * A session in its group. An ended member still hears the others, until all of them have ended or left: so a TCP client
 * may send a FIN and listen on, while one that is alone is answered by an end at once.
 *
 * What comes for a session that is held up queues up to its limits, and is dropped then: one slow session must stall
 * neither who sends nor the others. On a byte stream that leaves a gap.
 */
class Member extends LocalChannel {
  readonly session: string;
  readonly #group: Group;

  constructor(group: Group, session: string, limits: QueueLimits) {
    super(limits);
    this.#group = group;
    this.session = session;
  }

  override get lossy(): boolean {
    return true;
  }

  /** What is written is copied once, for all who hear it. */
  protected override get retains(): boolean {
    return true;
  }

  hear(bytes: Uint8Array, attributes: MessageAttributes): void {
    this.deliver(bytes, attributes, true);
  }

  hearEnd(): void {
    this.deliverEnd();
  }

  protected override work(bytes: Uint8Array, attributes: MessageAttributes): void {
    this.#group.broadcast(this, bytes, attributes);
  }

  protected override send(bytes: Uint8Array, attributes: MessageAttributes): boolean {
    this.work(bytes, attributes);
    return true;
  }

  protected override sendEnd(): void {
    this.#group.silence();
  }

  protected override shut(): void {
    this.#group.leave(this);
  }
}
