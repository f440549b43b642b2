/** The certificates with which clients say who they are: a listener has verified them. */
import { isIP } from 'node:net';
import { alternativesIn, attributesOf } from '../core/distinguished-name.ts';
import { isObject, type Json, type Metadata } from '../core/metadata.ts';
import type { Principal, Role } from './tokens.ts';

/** Whose certificates, and what they may do: one of both names is given. */
export interface CertificateSettings {
  /** Attributes of its subject, all of which it must have: `CN=ops,O=Example`. */
  readonly subject?: string | undefined;
  /** One of its alternative names, with its type: `DNS:ops.example`. */
  readonly san?: string | undefined;
  readonly role: Role;
}

/** Knows the owners of certificates. */
export class Certificates {
  readonly #known: readonly { readonly principal: Principal; matches(peer: Metadata): boolean }[];

  constructor(settings: readonly CertificateSettings[]) {
    this.#known = settings.map(({ subject, san, role }) => ({
      principal: { name: subject ?? san ?? '', role },
      matches: subject === undefined ? named(san ?? '') : about(attributesOf(subject)),
    }));
  }

  /** The owner of a certificate, of which session metadata say what `TLS.peer` does. */
  find(peer: Metadata): Principal | undefined {
    return this.#known.find((one) => one.matches(peer))?.principal;
  }
}

function about(attributes: readonly [string, string][]) {
  return ({ subject }: Metadata): boolean =>
    attributes.length > 0 && attributes.every(([type, value]) => isObject(subject) && has(subject[type], value));
}

/** An attribute that a subject has several times is a list. */
function has(attribute: Json | undefined, value: string): boolean {
  return Array.isArray(attribute) ? attribute.includes(value) : attribute === value;
}

function named(san: string) {
  const wanted = typed(san);
  return ({ subjectaltname }: Metadata): boolean =>
    typeof subjectaltname === 'string' && alternativesIn(subjectaltname).includes(wanted);
}

/** With its type, as node writes it. A name of one type is none of another, whatever it looks like. */
function typed(san: string): string {
  if (/^(DNS|URI|email|IP Address):/.test(san)) return san;
  if (isIP(san) !== 0) return `IP Address:${san}`;
  if (/^[a-z][a-z0-9+.-]*:/i.test(san)) return `URI:${san}`;
  return san.includes('@') ? `email:${san}` : `DNS:${san}`;
}
