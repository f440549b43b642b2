/** A peer by SCTP that is not ours: Python's sockets, with what the kernel says of each message. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { Command } from '../support/command.ts';
import { program } from '../support/programs.ts';

/** A message as it came: the beginning of it, its size, and the sum of its bytes. */
export interface Message {
  readonly text: string;
  readonly size: number;
  readonly sum: number;
  readonly stream: number;
  readonly ppid: number;
  readonly unordered: boolean;
}

/** One to send; `size`: the text is repeated to so many bytes. */
export interface Sending {
  readonly send: string;
  readonly stream?: number;
  readonly ppid?: number;
  readonly unordered?: boolean;
  readonly size?: number;
}

interface Event extends Partial<Message> {
  readonly listening?: boolean;
  /** The addresses that the other end has. */
  readonly associated?: string[];
  readonly ended?: boolean;
  readonly failed?: string;
}

export class SctpPeer {
  readonly #command: Command;
  readonly #known: Event[] = [];
  #read = 0;

  private constructor(t: TestContext, role: string, port: number, addresses: readonly string[]) {
    const script = join(import.meta.dirname, 'peer.py');
    this.#command = new Command(t, program('python3'), [script, role, `${port}`, ...addresses]);
  }

  /** Associated when this resolves. */
  static async connect(t: TestContext, port: number, ...addresses: string[]): Promise<SctpPeer> {
    const peer = new SctpPeer(t, 'connect', port, addresses.length > 0 ? addresses : ['127.0.0.1']);
    await peer.associated();
    return peer;
  }

  static async listen(t: TestContext, port: number, ...addresses: string[]): Promise<SctpPeer> {
    const peer = new SctpPeer(t, 'listen', port, addresses.length > 0 ? addresses : ['127.0.0.1']);
    await peer.event(({ listening }) => listening, 'it listens');
    return peer;
  }

  /** The addresses that the other end has, once there is one. */
  async associated(): Promise<string[]> {
    return (await this.event(({ associated }) => associated, 'an association')).associated ?? [];
  }

  event(wanted: (event: Event) => unknown, what: string): Promise<Event> {
    return until(() => {
      const found = this.#events.find(wanted);
      assert.ok(found || !this.#command.over, `${what}: ${this.#command.output}`);
      return found;
    }, what);
  }

  get messages(): Message[] {
    return this.#events.filter((event): event is Message => event.text !== undefined);
  }

  async received(count: number): Promise<Message[]> {
    await until(() => this.messages.length >= count, `${count} messages, not ${this.messages.length}`);
    return this.messages;
  }

  send(...messages: Sending[]): void {
    for (const message of messages) this.#say(message);
  }

  /** Ends the association: in order, or not. */
  close(how: 'shutdown' | 'abort' = 'shutdown'): void {
    this.#say({ close: how });
  }

  #say(command: object): void {
    this.#command.child.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  /** What has come by now: it is asked often. */
  get #events(): readonly Event[] {
    const text = this.#command.stdout;
    for (let end = text.indexOf('\n', this.#read); end >= 0; end = text.indexOf('\n', this.#read)) {
      this.#known.push(JSON.parse(text.slice(this.#read, end)));
      this.#read = end + 1;
    }
    return this.#known;
  }
}
