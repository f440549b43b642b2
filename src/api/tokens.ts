/** The tokens with which clients say who they are. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { constants, open } from 'node:fs/promises';
import { asL7mpError, L7mpError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { REDACTED } from '../core/redacted.ts';

export type Role = 'reader' | 'admin';

/** The one who asks. */
export interface Principal {
  readonly name: string;
  readonly role: Role;
}

/** As configured: the token itself, or the file that holds it. */
export interface TokenSettings extends Principal {
  readonly token?: string | undefined;
  readonly token_file?: string | undefined;
}

/** What can stand behind `Bearer` (RFC 6750 section 2.1). */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

/** Bytes of a token file that are read: more are no token. */
const MAX_FILE = 4096;

/** Knows tokens by their digests; those in files are read at each look, so that a changed file counts at once. */
export class Tokens {
  readonly #tokens: readonly Token[];

  private constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  /** Rejects with E_FILE, E_INVALID or E_DUPLICATE, naming the field below `path`, where a token cannot be had. */
  static async open(settings: readonly TokenSettings[], path: string, log: Log): Promise<Tokens> {
    const tokens = settings.map((one) => new Token(one, log));
    const seen = new Map<string, string>();
    for (const [n, token] of tokens.entries()) {
      const digest = await token.load(`${path}/${n}`);
      const other = seen.get(digest.toString('hex'));
      if (other !== undefined)
        throw new L7mpError('E_DUPLICATE', `${path}/${n}: is the same token as that of ${other}`);
      seen.set(digest.toString('hex'), token.principal.name);
    }
    return new Tokens(tokens);
  }

  /** The owner of a token. All are compared, each in constant time: how long it takes says nothing about any of them. */
  async find(token: string): Promise<Principal | undefined> {
    const presented = digestOf(token);
    const digests = await Promise.all(this.#tokens.map((one) => one.current()));
    let found: Principal | undefined;
    for (const [n, digest] of digests.entries()) {
      if (timingSafeEqual(digest ?? UNKNOWN, presented) && digest) found ??= this.#tokens[n]?.principal;
    }
    return found;
  }
}

/** Compared with where a token cannot be had, so that this takes as long. */
const UNKNOWN = digestOf('');

class Token {
  readonly principal: Principal;
  readonly #settings: TokenSettings;
  readonly #log: Log;
  #missing = false;

  constructor(settings: TokenSettings, log: Log) {
    const { name, role } = settings;
    this.principal = { name, role };
    this.#settings = settings;
    this.#log = log;
  }

  async load(path: string): Promise<Buffer> {
    const { token, token_file: file } = this.#settings;
    if (token === REDACTED) {
      throw new L7mpError('E_INVALID', `${path}/token: ${REDACTED} stands for a token that was not shown`);
    }
    try {
      return digestOf(token ?? (await read(file as string)));
    } catch (error) {
      throw new L7mpError('E_FILE', `${path}/token_file: ${asL7mpError(error).message}`, { cause: error });
    }
  }

  /** Undefined while its file holds none: a token that was taken away is not taken any more. */
  async current(): Promise<Buffer | undefined> {
    const { token, token_file: file } = this.#settings;
    if (token !== undefined) return digestOf(token);
    try {
      const digest = digestOf(await read(file as string));
      this.#missing = false;
      return digest;
    } catch (error) {
      if (!this.#missing) {
        this.#log.write('warn', 'api', `the token ${this.principal.name} is not taken: ${asL7mpError(error).message}`);
      }
      this.#missing = true;
      return undefined;
    }
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** What the file holds, without blanks around it. O_NONBLOCK: a FIFO that nobody writes must not hold up a thread. */
async function read(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(MAX_FILE + 1), 0, MAX_FILE + 1);
    const text = buffer.toString('utf8', 0, bytesRead).trim();
    if (bytesRead > MAX_FILE || !TOKEN.test(text)) throw new Error(`${path} does not hold a token`);
    return text;
  } finally {
    await file.close();
  }
}
