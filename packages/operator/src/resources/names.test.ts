import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fullName, parseReference } from './names.ts';

const WEB = { kind: 'Target', namespace: 'other', name: 'web' };

describe('a reference', () => {
  it('is a full name, the path of the API server, or a name in the same namespace', () => {
    assert.deepEqual(parseReference('/l7mp.io/v1/Target/other/web', 'default'), WEB);
    assert.deepEqual(parseReference('/apis/l7mp.io/v1/namespaces/other/targets/web', 'default'), WEB);
    assert.deepEqual(parseReference('web', 'other'), { namespace: 'other', name: 'web' });
    assert.deepEqual(parseReference('/api/v1/namespaces/a/services/b', 'x'), {
      kind: 'Service',
      namespace: 'a',
      name: 'b',
    });
  });

  it('is nothing else', () => {
    const others = [
      '',
      'two words',
      'Upper',
      'a/b',
      '/web',
      '/l7mp.io/v1/Target/other/',
      '/l7mp.io/v1/Target/other/web/rules',
      '/l7mp.io/v2/Target/other/web',
      '/l7mp.io/v1/Nothing/other/web',
      '/l7mp.io/v1/constructor/other/web',
      '/gateway.networking.k8s.io/v1/Target/other/web',
      '/apis/l7mp.io/v1/namespaces/other/nothings/web',
      '/apis/l7mp.io/v1/namespaces/other/targets/web/status',
      '/apis/example.com/v1/namespaces/other/targets/web',
    ];
    for (const text of others) assert.equal(parseReference(text, 'default'), undefined, text);
  });

  it('is what an object is called', () => {
    assert.equal(fullName('VirtualService', 'a', 'b'), '/l7mp.io/v1/VirtualService/a/b');
    assert.equal(fullName('UDPRoute', 'a', 'b'), '/gateway.networking.k8s.io/v1/UDPRoute/a/b');
    assert.equal(fullName('Service', 'a', 'b'), '/l7mp.io/v1/Service/a/b');
  });
});
