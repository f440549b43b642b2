import { attributesOf } from '../core/distinguished-name.ts';
import { L7mpError } from '../core/errors.ts';
import type { AdminInput } from './admin-schema.ts';

/** What the schema cannot say of `admin.auth`: names are unique, and each token has one source. Throws E_INVALID. */
export function checkAuth({ auth }: AdminInput, path: string): void {
  if (auth && !auth.tokens && !auth.client_certificates) {
    throw new L7mpError('E_INVALID', `${path}/auth/tokens: missing, and client_certificates too`);
  }
  checkCertificates(auth?.client_certificates ?? [], `${path}/auth/client_certificates`);
  const names = new Set<string>();
  for (const [n, { name, token, token_file: file }] of (auth?.tokens ?? []).entries()) {
    const at = `${path}/auth/tokens/${n}`;
    if (token === undefined && file === undefined) throw new L7mpError('E_INVALID', `${at}/token: missing`);
    if (token !== undefined && file !== undefined) {
      throw new L7mpError('E_INVALID', `${at}/token_file: a token has a token or a token_file, not both`);
    }
    if (names.has(name)) throw new L7mpError('E_INVALID', `${at}/name: there is another token of that name`);
    names.add(name);
  }
}

type CertificateInput = NonNullable<NonNullable<AdminInput['auth']>['client_certificates']>[number];

/** Each names a subject or an alternative name. */
function checkCertificates(certificates: readonly CertificateInput[], path: string): void {
  for (const [n, { subject, san }] of certificates.entries()) {
    if ((subject === undefined) === (san === undefined)) {
      throw new L7mpError('E_INVALID', `${path}/${n}/subject: a certificate has a subject or a san, one of both`);
    }
    if (subject !== undefined && attributesOf(subject).length === 0) {
      throw new L7mpError('E_INVALID', `${path}/${n}/subject: is not of the form CN=ops,O=Example`);
    }
  }
}
