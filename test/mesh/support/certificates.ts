/** A certificate authority for the API server, and the key that signs tokens of service accounts. */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { program } from '../../support/programs.ts';

/** Writes ca.crt and ca.key, api.crt and api.key (for these names, such as `IP:10.0.0.1`), and sa.key into the folder. */
export function writeCertificates(folder: string, names: readonly string[]): void {
  certificate(folder, 'ca', 'basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign');
  const signed = ['-CA', join(folder, 'ca.crt'), '-CAkey', join(folder, 'ca.key')];
  certificate(folder, 'api', `subjectAltName=${names}`, 'extendedKeyUsage=serverAuth', ...signed);
  const accounts = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  writeFileSync(join(folder, 'sa.key'), accounts.export({ type: 'sec1', format: 'pem' }));
}

function certificate(folder: string, name: string, about: string, use: string, ...more: string[]): void {
  const files = ['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.crt`)];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'];
  const fields = ['-subj', `/CN=test-${name}`, '-days', '2', '-addext', about, '-addext', use];
  execFileSync(program('openssl'), ['req', '-x509', ...key, ...files, ...fields, ...more], { stdio: 'pipe' });
}
