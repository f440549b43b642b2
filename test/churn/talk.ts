/** A client's conversation through the proxy: numbered lines, each answered by one server. What happens to it is noticed. */

/** A client's end of a connection, or of what stands for one. */
export interface Wire {
  /** Its own port, where it has one. */
  readonly port?: number | undefined;
  send(line: string): void;
  close(): void;
}

/** Whom a wire tells of what comes, a line at a time, and of its end. */
export interface Ear {
  hear(line: string): void;
  ended(why: string): void;
}

/** Characters of lines. */
const SIZES = [20, 20, 60, 60, 200, 200, 600, 1200];

export class Talk implements Ear {
  readonly id: number;
  /** Whose listener it came by. */
  readonly group: string;
  /** When each line that is not answered was said. */
  readonly #unanswered = new Map<number, number>();
  #wire: Wire | undefined;
  #over = false;
  said = 0;
  answered = 0;
  /** The server and its connection, as the server says it. */
  server: string | undefined;
  /** What the client has noticed first, if anything. */
  notice: string | undefined;
  /** A change has named it. */
  expected = false;
  /** The longest that an answer took, in milliseconds. */
  longest = 0;

  constructor(id: number, group: string) {
    this.id = id;
    this.group = group;
  }

  async open(connect: (ear: Ear) => Promise<Wire>): Promise<void> {
    this.#wire = await connect(this);
    this.say();
  }

  say(): void {
    if (this.#over || this.notice !== undefined) return;
    const n = this.said++;
    this.#unanswered.set(n, performance.now());
    this.#wire?.send(this.#line(n));
  }

  /** An answer: the line, behind the server and its connection. */
  hear(answer: string): void {
    if (this.#over) return;
    const [server = '', , number] = answer.split(' ', 3);
    const n = Number(number);
    const at = this.#unanswered.get(n);
    const [first] = this.#unanswered.keys();
    this.server ??= server;
    if (answer !== `${server} ${this.#line(n)}`) this.#notices(`it is told ${answer.slice(0, 60)}`);
    else if (server !== this.server) this.#notices(`${this.server} has become ${server}`);
    else if (at === undefined) this.#notices(`line ${n} is answered twice`);
    else if (first !== n) this.#notices(`line ${n} is answered, but not ${first}`);
    if (at === undefined) return;
    this.#unanswered.delete(n);
    this.answered++;
    this.longest = Math.max(this.longest, performance.now() - at);
  }

  ended(why: string): void {
    if (!this.#over) this.#notices(why);
  }

  get port(): number | undefined {
    return this.#wire?.port;
  }

  get missing(): number {
    return this.#unanswered.size;
  }

  /** What was not answered by now is lost. */
  close(): void {
    if (this.missing > 0) this.ended(`${this.missing} lines are not answered, from ${[...this.#unanswered.keys()][0]}`);
    this.#over = true;
    this.#wire?.close();
  }

  #line(n: number): string {
    return `${this.id} ${n} ${'x'.repeat(SIZES[(this.id + n) % SIZES.length] as number)}`;
  }

  #notices(what: string): void {
    this.notice ??= `after ${this.answered} answers: ${what}`;
  }
}
