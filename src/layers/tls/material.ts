/** Certificates and keys, as they are given, read and looked at: what is of no use is found out before it is used. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { L7mpError } from '../../core/errors.ts';
import type { Enclosure } from '../../core/protocol.ts';

/** Bytes of a file with certificates or a key: a bundle of all public authorities has 250 KB. */
const MAX_FILE = 4 << 20;

const BEGIN = '-----BEGIN ';
const CERTIFICATE = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[\s\S]+?-----END (?:TRUSTED )?CERTIFICATE-----/g;

/** Whether it is the text itself, and not the path of a file with it. */
export function isPem(source: string): boolean {
  return source.includes(BEGIN);
}

/** A certificate, those above it, and its key, all of use. */
export interface KeyPair {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

/** Reads what fields name. */
export class Sources {
  readonly #enclosure: Enclosure | undefined;
  /** Of each file that was read, what it was like before. */
  readonly #files = new Map<string, string>();

  /** `enclosure`: the API has named the files. */
  constructor(enclosure: Enclosure | undefined) {
    this.#enclosure = enclosure;
  }

  /** Whether any of the files has changed since it was read. */
  async changed(): Promise<boolean> {
    for (const [path, before] of this.#files) {
      if ((await markOf(path)) !== before) return true;
    }
    return false;
  }

  get any(): boolean {
    return this.#files.size > 0;
  }

  /** Rejects with E_FILE or E_CERTIFICATE, whose message begins with the field, as a JSON pointer. */
  async pair({ cert, key }: KeyPair, field: string): Promise<KeyPair> {
    const certificate = await this.#read(cert, `${field}/cert`);
    const chain = at(certificate, () => certificatesIn(certificate.text));
    const secret = await this.#read(key, `${field}/key`);
    const parsed = at(secret, () => privateKey(secret.text));
    if (!chain[0]?.checkPrivateKey(parsed)) {
      throw unusable(secret, `it is not the key of the certificate ${chain[0]?.subject.replaceAll('\n', ', ')}`);
    }
    return { cert: chain.map(String).join(''), key: parsed.export({ type: 'pkcs8', format: 'pem' }) as string };
  }

  /** The authorities to trust, PEM. Rejects likewise. */
  async authorities(ca: string, field: string): Promise<string[]> {
    const source = await this.#read(ca, field);
    return at(source, () => certificatesIn(source.text)).map(String);
  }

  async #read(source: string, field: string): Promise<Source> {
    if (isPem(source)) return { field, what: 'the PEM text', text: source };
    const before = await markOf(source);
    this.#files.set(source, before);
    try {
      return { field, what: source, text: await this.#readFile(source) };
    } catch (error) {
      if (error instanceof L7mpError) throw new L7mpError(error.code, `${field}: ${error.message}`, { cause: error });
      throw new L7mpError('E_FILE', `${field}: ${source}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** O_NONBLOCK: a FIFO that nobody writes must not hold up a thread. */
  async #readFile(path: string): Promise<string> {
    const flags = constants.O_RDONLY | constants.O_NONBLOCK;
    const file = await (this.#enclosure ? this.#enclosure.open(path, flags) : open(path, flags));
    try {
      const found = await file.stat();
      if (!found.isFile()) throw new Error('it is no file');
      if (found.size > MAX_FILE) throw new Error(`it has more than ${MAX_FILE} bytes`);
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  }
}

/** A text, and what is said of it in errors: never the text. */
interface Source {
  readonly field: string;
  readonly what: string;
  readonly text: string;
}

/** What tells that a file is another one, or another content, also where links on the way to it have changed. */
async function markOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    return `${(error as NodeJS.ErrnoException).code}`;
  }
}

function at<T>(source: Source, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw unusable(source, (error as Error).message);
  }
}

function unusable({ field, what }: Source, why: string): L7mpError {
  return new L7mpError('E_CERTIFICATE', `${field}: ${what} cannot be used: ${why}`);
}

function certificatesIn(text: string): X509Certificate[] {
  const found = text.match(CERTIFICATE);
  if (!found) throw new Error('there is no certificate in it');
  return found.map((one, n) => {
    try {
      return new X509Certificate(one);
    } catch {
      throw new Error(found.length === 1 ? 'the certificate is damaged' : `certificate ${n + 1} is damaged`);
    }
  });
}

function privateKey(text: string): KeyObject {
  if (!/-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/.test(text)) throw new Error('there is no private key in it');
  if (/ENCRYPTED/.test(text)) throw new Error('the private key is encrypted');
  try {
    return createPrivateKey(text);
  } catch {
    throw new Error('the private key is damaged');
  }
}
