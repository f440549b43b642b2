import { L7mpError } from '../core/errors.ts';
import type { AdminInput } from './admin-schema.ts';

/** What the schema cannot say of `admin.auth`: names are unique, and each token has one source. Throws E_INVALID. */
export function checkAuth({ auth }: AdminInput, path: string): void {
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
