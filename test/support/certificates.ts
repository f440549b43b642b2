/** Certificates that openssl makes for a test, in a directory that goes with it. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './programs.ts';

/** The paths of a certificate and its key. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** Names and addresses, as `DNS:localhost,IP:127.0.0.1`; the first name is its common name, too. */
  readonly names?: string;
  /** Days until it ends; less than 0: it has. */
  readonly days?: number;
  readonly commonName?: string;
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Ends with what it is made for: `t.after`, or `after` of a whole file. */
type After = (end: () => Promise<void>) => void;

/** Signs certificates. */
export class Authority {
  readonly directory: string;
  /** The path of its own certificate. */
  readonly cert: string;
  readonly #key: string;
  #issued = 0;

  private constructor(directory: string) {
    this.directory = directory;
    this.cert = join(directory, 'ca.pem');
    this.#key = join(directory, 'ca.key');
  }

  static async make(after: After, name = 'l7mp test authority'): Promise<Authority> {
    const directory = await mkdtemp(join(tmpdir(), 'l7mp-certificates-'));
    after(() => rm(directory, { recursive: true, force: true }));
    const authority = new Authority(directory);
    const files = ['-keyout', authority.#key, '-out', authority.cert];
    await run('openssl', ['req', '-x509', ...KEY, ...files, '-days', '2', '-subj', `/CN=${name}`]);
    return authority;
  }

  /** PEM. */
  get text(): string {
    return readFileSync(this.cert, 'utf8');
  }

  /** A certificate for these names, with its key. */
  async issue({
    names = 'DNS:localhost,IP:127.0.0.1',
    days = 2,
    commonName,
  }: CertificateOptions = {}): Promise<Certificate> {
    const path = join(this.directory, `${++this.#issued}`);
    const [cert, key, request] = [`${path}.pem`, `${path}.key`, `${path}.csr`];
    const subject = commonName ?? names.split(',')[0]?.split(':')[1] ?? 'nobody';
    const alternatives = ['-addext', `subjectAltName=${names}`];
    await run('openssl', [
      'req',
      '-new',
      ...KEY,
      '-keyout',
      key,
      '-out',
      request,
      '-subj',
      `/CN=${subject}`,
      ...alternatives,
    ]);
    const signer = ['-CA', this.cert, '-CAkey', this.#key, '-days', `${days}`, '-copy_extensions', 'copy'];
    await run('openssl', ['x509', '-req', '-in', request, ...signer, '-out', cert]);
    return { cert, key };
  }

  /** A file beside the certificates. */
  async file(name: string, content: string): Promise<string> {
    const path = join(this.directory, name);
    await writeFile(path, content);
    return path;
  }
}

/** The texts of a certificate and its key. */
export function texts({ cert, key }: Certificate): Certificate {
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}
