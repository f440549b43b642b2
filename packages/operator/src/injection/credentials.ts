/**
 * The certificate that the webhook serves with, and those of the authorities that the API server trusts for it. The key of an
 * authority is nowhere kept: it signs one certificate, and the next one has an authority of its own. So a bundle has several for a
 * while: whoever still serves with the old certificate is trusted, too.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

/** As in a Secret of type kubernetes.io/tls; all PEM. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
  /** The newest first. */
  readonly authorities: readonly string[];
}

/** Milliseconds. */
const DAY = 86_400_000;
export const LIFETIME = 90 * DAY;
/** Before the present time: the API server's clock may be slow. */
export const BACKDATED = DAY;

/** Of its lifetime, after which it is replaced: well before two thirds. */
const USED = 0.5;

/** Authorities that are kept beside the newest, however often there is a new one. */
const KEPT = 3;

/** Why they cannot be served with: damaged, for other names, not of this time. Undefined for those that can. */
export function faultOf(
  { cert, key, authorities }: Credentials,
  names: readonly string[],
  now: number,
): string | undefined {
  try {
    const certificate = new X509Certificate(cert);
    if (!certificate.checkPrivateKey(createPrivateKey(key))) return 'the key is not that of the certificate';
    const [authority] = authorities.map((pem) => new X509Certificate(pem));
    if (!authority || !certificate.checkIssued(authority) || !certificate.verify(authority.publicKey)) {
      return 'the certificate is not of its authority';
    }
    const missing = names.find(
      (name) => (isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name)) === undefined,
    );
    if (missing !== undefined) return `the certificate is not for ${missing}`;
    if (now >= certificate.validToDate.getTime()) return 'the certificate has expired';
    if (now < certificate.validFromDate.getTime()) return 'the certificate is not valid yet: a clock was wrong';
    return undefined;
  } catch (error) {
    return `damaged: ${(error as Error).message}`;
  }
}

/** When they are to be replaced, in milliseconds since 1970. For those without a fault. */
export function dueAt({ cert }: Credentials): number {
  const { validFromDate, validToDate } = new X509Certificate(cert);
  const made = validFromDate.getTime() + BACKDATED;
  return made + (validToDate.getTime() - made) * USED;
}

/** New ones, in a bundle with those before that have not expired. */
export function succeed(made: Credentials, before: readonly string[], now: number): Credentials {
  const others = [...new Set(before)].filter((pem) => !made.authorities.includes(pem));
  const kept = others.filter((pem) => isAlive(pem, now)).slice(0, KEPT);
  return { ...made, authorities: [...made.authorities, ...kept] };
}

/** Not one that is damaged. One that is not valid yet is kept: it may be our clock that is wrong. */
function isAlive(pem: string, now: number): boolean {
  try {
    return new X509Certificate(pem).validToDate.getTime() > now;
  } catch {
    return false;
  }
}

/** The certificates of a bundle, one by one. */
export function split(bundle: string): string[] {
  return bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}
