import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Certificates } from './certificates.ts';

const peer = {
  subject: { CN: 'ops', O: 'Example' },
  subjectaltname: 'DNS:ops.example, URI:spiffe://example/ops, email:ops@example, IP Address:192.0.2.1, DNS:10.0.0.1',
};
const finds = (san: string): boolean => new Certificates([{ san, role: 'reader' }]).find(peer) !== undefined;

test('an alternative name is found with its type, and without it by what it looks like', () => {
  const names = ['DNS:ops.example', 'URI:spiffe://example/ops', 'email:ops@example', 'IP Address:192.0.2.1'];
  for (const name of [...names, 'ops.example', 'spiffe://example/ops', 'ops@example', '192.0.2.1']) {
    assert.equal(finds(name), true, name);
  }
});

test('a name of one type is none of another', () => {
  for (const name of ['10.0.0.1', 'URI:ops.example', 'example', 'ops']) assert.equal(finds(name), false, name);
});
