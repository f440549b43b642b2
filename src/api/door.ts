/** Lets in those who may use the REST API, and for what they may. */
import { L7mpError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ApiRequest } from '../core/protocol.ts';
import { type CertificateSettings, Certificates } from './certificates.ts';
import { OriginPolicy, type OriginSettings } from './origin.ts';
import { type Principal, type TokenSettings, Tokens } from './tokens.ts';

export interface DoorSettings extends OriginSettings {
  readonly auth?:
    | {
        readonly tokens?: readonly TokenSettings[] | undefined;
        readonly client_certificates?: readonly CertificateSettings[] | undefined;
      }
    | undefined;
}

/** Everybody, where nobody is asked who they are. */
export const ANYBODY: Principal = { name: 'anonymous', role: 'admin' };

/** Counts those who have not said, or not truly said, who they are. */
export const NOBODY: Principal = { name: 'anonymous', role: 'reader' };

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Whether a request of this method changes nothing. */
export function reads(method: string): boolean {
  return READS.has(method);
}

export class Door {
  #origins = new OriginPolicy({});
  #known: { readonly tokens: Tokens; readonly certificates: Certificates } | undefined;

  /** Rejects, and changes nothing, where a token cannot be had. Paths in errors begin with /admin. */
  async configure({ auth, ...origins }: DoorSettings, log: Log): Promise<void> {
    this.#known = auth && {
      tokens: await Tokens.open(auth.tokens ?? [], '/admin/auth/tokens', log),
      certificates: new Certificates(auth.client_certificates ?? []),
    };
    this.#origins = new OriginPolicy(origins);
  }

  /** Which names, and which pages in a browser, may ask. */
  get origins(): OriginPolicy {
    return this.#origins;
  }

  /** The one who asks: by a token, or else by the certificate of the connection. Throws E_UNAUTHORIZED. */
  async identify({ headers, peer: { certificate } }: ApiRequest): Promise<Principal> {
    if (!this.#known) return ANYBODY;
    const { tokens, certificates } = this.#known;
    const { authorization } = headers;
    if (authorization === undefined) {
      const owner = certificate && certificates.find(certificate);
      if (owner) return owner;
      const why = certificate ? 'this certificate gives no right: ' : '';
      throw new L7mpError('E_UNAUTHORIZED', `${why}a token is needed, as in Authorization: Bearer <token>`);
    }
    const [, token] = /^Bearer +(\S+) *$/i.exec(String(authorization)) ?? [];
    const principal = token === undefined ? undefined : await tokens.find(token);
    if (!principal) throw new L7mpError('E_UNAUTHORIZED', 'this is no valid token');
    return principal;
  }

  /** Throws E_FORBIDDEN. */
  permit({ name, role }: Principal, { method }: ApiRequest): void {
    if (role === 'admin' || reads(method)) return;
    throw new L7mpError('E_FORBIDDEN', `${name} may read, and change nothing: its role is ${role}`);
  }
}

/** What a 401 says beside its body (RFC 6750 section 3): what is asked for, and whether what was given is wrong. */
export function challenge({ headers }: ApiRequest): Record<string, string> {
  const wrong = headers.authorization === undefined ? '' : ', error="invalid_token"';
  return { 'www-authenticate': `Bearer realm="l7mp"${wrong}` };
}
