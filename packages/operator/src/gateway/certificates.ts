/** The certificates that listeners of Gateways name: which Secrets they are in, and whether these are of use. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { Snapshot } from '../cluster/contract.ts';
import type { SecretName } from '../cluster/secrets.ts';
import { mayRefer } from '../resources/grants.ts';
import type { Secret } from '../resources/objects.ts';
import { grantsTopic, keyText } from './names.ts';
import type { CertificateReference, Gateway, GatewayListener } from './objects.ts';

export interface Certificate {
  /** PEM: the certificate, and those above it. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  /** The names of hosts in it, in small letters. */
  readonly servernames: readonly string[];
  /** Until when it is valid, in seconds of the epoch. */
  readonly notAfter: number;
}

export interface Problem {
  readonly reason: 'InvalidCertificateRef' | 'RefNotPermitted';
  readonly message: string;
}

export interface Certified {
  /** Those that are of use, in the order of their references. */
  readonly certificates: readonly Certificate[];
  readonly problems: readonly Problem[];
}

const TLS_SECRET = 'kubernetes.io/tls';

/** Characters, of what the proxy takes as a text. */
const LONGEST = 65_536;

const BEGIN = '-----BEGIN ';

/** What the proxy takes as a name that clients ask for. */
const SERVERNAME = /^(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?$/;

/** Whether a listener has certificates at all. */
export function terminatesTls({ protocol, tls }: GatewayListener): boolean {
  return protocol === 'TLS' && (tls?.mode ?? 'Terminate') === 'Terminate';
}

/** The Secrets that a Gateway names and may have. */
export function secretsOf(gateway: Gateway, snapshot: Snapshot): SecretName[] {
  const listeners = (gateway.spec.listeners ?? []).filter(terminatesTls);
  const secrets = listeners.flatMap(referencesOf).filter(isSecret);
  return secrets.map((ref) => placeOf(gateway, ref)).filter((to) => isPermitted(gateway, to, snapshot));
}

export class Certificates {
  readonly #snapshot: Snapshot;
  /** A Secret is read once, however often it is looked at. */
  readonly #read = new WeakMap<Secret, Certificate | string>();

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  /** Adds to `topics` what the answer was made of. */
  of(gateway: Gateway, listener: GatewayListener, topics: Set<string>): Certified {
    if (!terminatesTls(listener)) return { certificates: [], problems: [] };
    const references = referencesOf(listener);
    if (!references.length) return { certificates: [], problems: [invalid('there are no certificateRefs')] };
    const found = references.map((ref) => this.#find(gateway, ref, topics));
    return {
      certificates: found.filter((one) => 'cert' in one),
      problems: found.filter((one) => 'reason' in one),
    };
  }

  #find(gateway: Gateway, ref: CertificateReference, topics: Set<string>): Certificate | Problem {
    if (!isSecret(ref)) return invalid(`${ref.kind ?? ''} ${ref.name}: it must be a Secret of the core group`);
    const to = placeOf(gateway, ref);
    const { namespace, name } = to;
    if (namespace !== gateway.metadata.namespace) topics.add(grantsTopic(namespace));
    topics.add(keyText('Secret', namespace, name));
    if (!isPermitted(gateway, to, this.#snapshot)) {
      const message = `no ReferenceGrant in ${namespace} lets this Gateway refer to Secret ${name}`;
      return { reason: 'RefNotPermitted', message };
    }
    const secret = this.#snapshot.get('Secret', namespace, name);
    if (!secret) return invalid(`there is no Secret ${namespace}/${name}`);
    const certificate = this.#read.get(secret) ?? certificateIn(secret);
    this.#read.set(secret, certificate);
    return typeof certificate === 'string' ? invalid(`Secret ${namespace}/${name} ${certificate}`) : certificate;
  }
}

function referencesOf({ tls }: GatewayListener): readonly CertificateReference[] {
  return tls?.certificateRefs ?? [];
}

function isSecret({ group, kind }: CertificateReference): boolean {
  return (group ?? '') === '' && (kind ?? 'Secret') === 'Secret';
}

function placeOf({ metadata }: Gateway, { namespace, name }: CertificateReference): SecretName {
  return { namespace: namespace ?? metadata.namespace, name };
}

function isPermitted({ metadata: { namespace } }: Gateway, to: SecretName, snapshot: Snapshot): boolean {
  return mayRefer({ kind: 'Gateway', namespace }, { kind: 'Secret', ...to }, (of) =>
    snapshot.list('ReferenceGrant', of),
  );
}

function invalid(message: string): Problem {
  return { reason: 'InvalidCertificateRef', message };
}

// -------------------------------------------------------------------- what is in a Secret

/** Or what is wrong with it. Words of OpenSSL's are not passed on: they go into a status, and this is about keys. */
function certificateIn({ type, data, unreadable }: Secret): Certificate | string {
  if (unreadable !== undefined) return unreadable;
  if (type !== TLS_SECRET) return `is of type ${type || 'Opaque'}, not ${TLS_SECRET}`;
  const cert = textOf(data['tls.crt']);
  const key = textOf(data['tls.key']);
  if (cert.length > LONGEST || key.length > LONGEST) return `has more than ${LONGEST} characters in tls.crt or tls.key`;
  const leaf = attempt(() => new X509Certificate(cert));
  // The proxy would take another text for the path of a file.
  if (!leaf || !cert.includes(BEGIN)) return 'has no certificate in tls.crt that can be read';
  const privateKey = attempt(() => createPrivateKey(key));
  if (!privateKey || !key.includes(BEGIN)) return 'has no private key in tls.key that can be read without a passphrase';
  if (!leaf.checkPrivateKey(privateKey)) return 'has a key in tls.key that is not that of tls.crt';
  if (!attempt(() => createSecureContext({ cert, key }))) return 'has in tls.crt what cannot be used for TLS';
  return { cert, key, servernames: servernamesOf(leaf), notAfter: Date.parse(leaf.validTo) / 1000 };
}

function textOf(base64 = ''): string {
  return Buffer.from(base64, 'base64').toString();
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

/** As node writes them: `DNS:a.example, IP Address:192.0.2.1`. */
function servernamesOf({ subjectAltName = '' }: X509Certificate): string[] {
  const names = subjectAltName.split(', ').flatMap((name) => (name.startsWith('DNS:') ? name.slice(4) : []));
  return names.map((name) => name.toLowerCase()).filter((name) => SERVERNAME.test(name));
}
