/** A certificate for contenders that encrypt: all have one alike, ECDSA on P-256. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** For whom it is. */
export const CERTIFIED = 'localhost';

/** The paths of the certificate, which signs itself, and of its key, made once for a folder. */
export function certificate(folder: string): { readonly cert: string; readonly key: string; readonly both: string } {
  const [cert, key, both] = ['server.pem', 'server.key', 'both.pem'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  if (!existsSync(both)) {
    const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    const names = ['-subj', `/CN=${CERTIFIED}`, '-addext', `subjectAltName=DNS:${CERTIFIED}`];
    execFileSync('openssl', ['req', '-x509', ...made, ...names, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    writeFileSync(both, readFileSync(key, 'utf8') + readFileSync(cert, 'utf8'));
  }
  return { cert, key, both };
}
