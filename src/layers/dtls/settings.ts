import type { Spec } from '../../core/protocol.ts';
import { fieldsOf } from '../tls/settings.ts';
import type { DtlsClientInput, DtlsServerInput } from './identity.ts';

/** What a listener says of DTLS. */
export function serverOf({ tls }: Spec): DtlsServerInput {
  return fieldsOf(tls as DtlsServerInput | true);
}

/** What a cluster says of DTLS. */
export function clientOf({ tls }: Spec): DtlsClientInput {
  return fieldsOf(tls as DtlsClientInput | true);
}
