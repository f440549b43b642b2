/** Certificates and a key in files, for proxies that serve their API by https. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { TlsOptions } from '@l7mp/client';
import { WatchedFile } from './watched-file.ts';

/** Paths, and the name in the certificates of proxies. */
export interface TlsPaths {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly servername?: string | undefined;
}

/**
 * What they hold now. Throws where one cannot be read, or holds none, at first; later that is told to `failed`, and what was
 * there before goes on to be used.
 */
export function tlsFiles({ ca, cert, key, servername }: TlsPaths, failed: (message: string) => void): () => TlsOptions {
  const watched = (path: string | undefined, read: (path: string) => string) =>
    path === undefined ? undefined : new WatchedFile(path, read, failed);
  const files = { ca: watched(ca, certificate), cert: watched(cert, certificate), key: watched(key, privateKey) };
  return () => ({ ca: files.ca?.content, cert: files.cert?.content, key: files.key?.content, servername });
}

function certificate(path: string): string {
  const text = readFileSync(path, 'utf8');
  try {
    new X509Certificate(text);
  } catch {
    throw new Error(`${path} holds no certificate`);
  }
  return text;
}

function privateKey(path: string): string {
  const text = readFileSync(path, 'utf8');
  if (!text.includes('PRIVATE KEY-----')) throw new Error(`${path} holds no private key`);
  return text;
}
