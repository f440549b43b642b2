/** Makes certificates. Loaded when one is made: it takes 20 MB that no replica needs that only serves. */
import 'reflect-metadata';
import type { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { BACKDATED, type Credentials, LIFETIME } from './credentials.ts';

const KEY = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const;

/** A certificate for these names, DNS names or addresses, and its authority, whose key is forgotten. `now`: ms since 1970. */
export async function makeCredentials(names: readonly string[], now: number): Promise<Credentials> {
  const [ca, serving] = await Promise.all([keys(), keys()]);
  const validity = { notBefore: new Date(now - BACKDATED), notAfter: new Date(now + LIFETIME) };
  const issuer = 'CN=l7mp-operator-webhook-ca';
  const authority = await X509CertificateGenerator.createSelfSigned({
    ...validity,
    name: issuer,
    keys: ca,
    signingAlgorithm: SIGNATURE,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(ca.publicKey),
    ],
  });
  const certificate = await X509CertificateGenerator.create({
    ...validity,
    subject: 'CN=l7mp-operator-webhook',
    issuer,
    publicKey: serving.publicKey,
    signingKey: ca.privateKey,
    signingAlgorithm: SIGNATURE,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(names.map(generalName)),
      await AuthorityKeyIdentifierExtension.create(ca.publicKey),
    ],
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', serving.privateKey)).toString('base64');
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.replace(/.{64}(?=.)/g, '$&\n')}\n-----END PRIVATE KEY-----`;
  return { cert: certificate.toString('pem'), key, authorities: [authority.toString('pem')] };
}

function generalName(value: string): JsonGeneralName {
  return { type: isIP(value) ? 'ip' : 'dns', value };
}

function keys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(KEY, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;
}
