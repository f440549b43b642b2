import assert from 'node:assert/strict';
import { it } from 'node:test';
import { nullOffload } from './null.ts';

it('the null engine takes no flow, and says why', async () => {
  const offload = nullOffload('there is no libbpf');
  const end = { address: '127.0.0.1', port: 1 };
  assert.deepEqual(offload.add({ client: end, listen: end, local: end, upstream: end }), {
    refused: 'there is no libbpf',
  });
  assert.deepEqual(offload.status(), { on: false, why: 'there is no libbpf', interfaces: [], flows: 0, capacity: 0 });
  await offload.close();
});
