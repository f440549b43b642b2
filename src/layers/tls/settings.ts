/** What `tls` says, as users write it, and what stands where they do not say. */
import type { Spec } from '../../core/protocol.ts';

/** A certificate with those above it, and its key: each the path of a file, or PEM text. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export type ClientAuth = 'none' | 'request' | 'require';
export type Version = '1.2' | '1.3';

/** `tls` of a listener. */
export interface ServerInput extends Partial<Pair> {
  readonly ca?: string;
  readonly client_auth?: ClientAuth;
  readonly alpn?: readonly string[];
  readonly groups?: readonly string[];
  readonly min_version?: Version;
  readonly resumption?: boolean;
  readonly certificates?: readonly (Pair & { readonly servernames: readonly string[] })[];
  readonly strict_sni?: boolean;
  readonly mode?: 'terminate' | 'passthrough';
}

/** `tls` of a cluster. */
export interface ClientInput extends Partial<Pair> {
  readonly ca?: string;
  readonly servername?: string;
  readonly verify?: boolean;
  readonly alpn?: readonly string[];
  readonly groups?: readonly string[];
  readonly min_version?: Version;
  readonly resumption?: boolean;
}

/** `tls: true` is `tls: {}`. */
export function fieldsOf<T extends object>(tls: T | boolean): T {
  return typeof tls === 'object' ? tls : ({} as T);
}

/** What a listener says of TLS. */
export function serverOf({ tls }: Spec): ServerInput {
  return fieldsOf(tls as ServerInput | true);
}

/** What a cluster says of TLS. */
export function clientOf({ tls }: Spec): ClientInput {
  return fieldsOf(tls as ClientInput | true);
}
