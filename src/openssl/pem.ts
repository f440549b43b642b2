/** Certificates and keys out of PEM texts (RFC 7468). What is returned is the caller's to free. */
import { takeErrors } from './errors.ts';
import type { Library, Pointer } from './openssl.ts';

/** An empty password: without one OpenSSL would ask at the terminal. */
const NO_PASSWORD = Buffer.from('\0');

/** All certificates of a text, in its order. Throws where there is none, or one is broken. */
export function readCertificates(library: Library, pem: string): Pointer[] {
  const { c } = library;
  return withText(library, pem, (bio) => {
    const found: Pointer[] = [];
    for (
      let one = c.PEM_read_bio_X509(bio, 0, 0, NO_PASSWORD);
      one;
      one = c.PEM_read_bio_X509(bio, 0, 0, NO_PASSWORD)
    ) {
      found.push(one);
    }
    const why = takeErrors(library, 'no start line');
    // It ends with not finding another one.
    if (found.length > 0 && why.includes('no start line')) return found;
    for (const one of found) c.X509_free(one);
    throw new Error(`no certificate in PEM: ${why}`);
  });
}

/** The private key of a text. Throws where there is none, or it wants a password. */
export function readKey(library: Library, pem: string): Pointer {
  const { c } = library;
  return withText(library, pem, (bio) => {
    const key = c.PEM_read_bio_PrivateKey(bio, 0, 0, NO_PASSWORD);
    if (!key) throw new Error(`no private key in PEM: ${takeErrors(library, 'unknown')}`);
    c.ERR_clear_error();
    return key;
  });
}

/** A certificate in DER. */
export function derOf({ c }: Library, certificate: Pointer): Buffer {
  const bio = c.BIO_new(c.BIO_s_mem());
  try {
    c.i2d_X509_bio(bio, certificate);
    const chunks: Buffer[] = [];
    for (;;) {
      const chunk = Buffer.alloc(4096);
      const size = c.BIO_read(bio, chunk, chunk.length);
      if (size <= 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, size));
    }
  } finally {
    c.BIO_free(bio);
  }
}

function withText<T>({ c }: Library, text: string, read: (bio: Pointer) => T): T {
  const bytes = Buffer.from(text);
  const bio = c.BIO_new(c.BIO_s_mem());
  try {
    c.BIO_write(bio, bytes, bytes.length);
    return read(bio);
  } finally {
    c.BIO_free(bio);
  }
}
