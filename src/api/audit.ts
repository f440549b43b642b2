import type { L7mpError } from '../core/errors.ts';
import { type Log, writeDefect } from '../core/log.ts';
import type { ApiRequest } from '../core/protocol.ts';
import { cutToBytes } from '../output/printable.ts';
import { NOBODY, reads } from './door.ts';
import type { Operation } from './operations.ts';
import type { Principal } from './tokens.ts';

/** Names of objects that the line of one change has, at most. */
const MAX_NAMES = 8;

/** Bytes of the URL, and of what a change is about, in a line: who asked must not be cut off, however long they are. */
const MAX_PART = 256;

/**
 * What the log says of one request: a line for each change, and for each that was refused, with who asked, from where,
 * for what, and what came of it. Tokens are never in it.
 */
export class Audit {
  /** Set when it is known. */
  who: Principal = NOBODY;
  readonly #log: Log;
  readonly #request: ApiRequest;
  #about = '';

  constructor(log: Log, request: ApiRequest) {
    this.#log = log;
    this.#request = request;
  }

  /** What the change is about. */
  about({ body: expected }: Operation, body: unknown): void {
    if (expected) this.#about = ` (${subject(expected.key, body)})`;
  }

  done(status: number): void {
    if (reads(this.#request.method)) this.#log.write('verbose', 'api', this.#line(`${status}`));
    else this.#log.write('notice', 'audit', this.#line(`${status}`));
  }

  failed(error: L7mpError): void {
    const { status, message } = error;
    const line = this.#line(`${status} ${message}`);
    const refused = status === 401 || status === 403;
    if (refused || !reads(this.#request.method)) this.#log.write(refused ? 'warn' : 'notice', 'audit', line);
    else this.#log.write('info', 'api', line);
    if (error.code === 'E_INTERNAL') writeDefect(this.#log, 'api', `${line}: `, error.cause ?? error);
  }

  #line(outcome: string): string {
    const { method, url, peer } = this.#request;
    const [where, what] = [url, this.#about].map(short);
    return `${method} ${where}${what} by ${short(this.who.name)} from ${peer.from}: ${outcome}`;
  }
}

function short(text: string): string {
  const beginning = cutToBytes(text, MAX_PART);
  return beginning.length < text.length ? `${beginning}…` : text;
}

/** The name of what a body says, or the names of its fields where there is no such thing. */
function subject(key: string, body: unknown): string {
  if (typeof body === 'string') return `${key} ${body}`;
  const { name } = (body ?? {}) as { name?: unknown };
  if (typeof name === 'string' && key !== '') return `${key} ${name}`;
  const names = Object.keys(Object(body));
  const more = names.length > MAX_NAMES ? ', …' : '';
  return [key, names.slice(0, MAX_NAMES).join(', ') + more].filter((part) => part !== '').join(': ');
}
