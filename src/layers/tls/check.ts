/** What the schema of `tls` cannot say. */
import { L7mpError } from '../../core/errors.ts';
import type { FileUse } from '../../core/protocol.ts';
import { isPem } from './material.ts';
import type { ClientInput, Pair, ServerInput } from './settings.ts';

/** Fields that passing everything on has a use for. */
const OF_PASSTHROUGH: readonly string[] = ['mode'];

/** Throws E_INVALID. */
export function checkServer(tls: ServerInput): void {
  if (tls.mode === 'passthrough') {
    const other = Object.keys(tls).find((field) => !OF_PASSTHROUGH.includes(field));
    if (other !== undefined) throw invalid(`/${other}`, 'means nothing with mode passthrough, which decrypts nothing');
    return;
  }
  const { cert, ca, certificates = [], strict_sni = false, client_auth = 'none' } = tls;
  checkPair(tls);
  if (cert === undefined && !(strict_sni && certificates.length > 0)) {
    throw invalid('/cert', 'missing: a listener that terminates TLS needs a certificate and its key');
  }
  if (client_auth !== 'none' && ca === undefined) {
    throw invalid(
      '/ca',
      `missing: client_auth ${client_auth} needs to know who has signed the certificates of clients`,
    );
  }
  if (client_auth === 'none' && ca !== undefined) throw invalid('/ca', 'means nothing without client_auth');
}

/** Throws E_INVALID. */
export function checkClient(tls: ClientInput): void {
  checkPair(tls);
  if (tls.verify === false && tls.ca !== undefined) throw invalid('/ca', 'means nothing with verify false');
}

function checkPair({ cert, key }: Partial<Pair>): void {
  if (cert !== undefined && key === undefined) throw invalid('/key', 'missing: cert needs its key');
  if (key !== undefined && cert === undefined) throw invalid('/cert', 'missing: key needs its certificate');
}

function invalid(path: string, why: string): L7mpError {
  return new L7mpError('E_INVALID', `/tls${path}: ${why}`);
}

type Named = readonly [field: string, source: string];

/** The fields that name files, or hold texts. */
function sourcesOf(tls: ServerInput & ClientInput): Named[] {
  const own = (['cert', 'key', 'ca'] as const).flatMap((field): Named[] => {
    const { [field]: source } = tls;
    return source === undefined ? [] : [[`/tls/${field}`, source]];
  });
  const others = (tls.certificates ?? []).flatMap(({ cert, key }, n): Named[] => [
    [`/tls/certificates/${n}/cert`, cert],
    [`/tls/certificates/${n}/key`, key],
  ]);
  return [...own, ...others];
}

export function filesOf(tls: ServerInput & ClientInput): FileUse[] {
  return sourcesOf(tls).flatMap(([field, path]) => (isPem(path) ? [] : [{ field, path, use: 'read' as const }]));
}

/** Keys that are texts. */
export function secretsOf(tls: ServerInput & ClientInput): string[] {
  return sourcesOf(tls).flatMap(([field, text]) => (field.endsWith('/key') && isPem(text) ? [field] : []));
}
