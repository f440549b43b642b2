import type { KeyPair, Sources } from './material.ts';
import type { ClientInput } from './settings.ts';

/** What a cluster reads: its own certificate, and the authorities that it trusts, where they are given. */
export interface ClientMaterial {
  readonly pair: KeyPair | undefined;
  readonly authorities: readonly string[] | undefined;
}

/** Rejects with E_FILE or E_CERTIFICATE, naming the field. */
export async function readClientMaterial({ cert, key, ca }: ClientInput, sources: Sources): Promise<ClientMaterial> {
  const pair = cert !== undefined && key !== undefined ? await sources.pair({ cert, key }, '/tls') : undefined;
  return { pair, authorities: ca === undefined ? undefined : await sources.authorities(ca, '/tls/ca') };
}
