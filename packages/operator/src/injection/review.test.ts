import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InvalidPod } from './inject.ts';
import { answer, InvalidReview, parseReview } from './review.ts';

const REQUEST = {
  uid: 'u',
  namespace: 'default',
  operation: 'CREATE',
  resource: { group: '', version: 'v1', resource: 'pods' },
  object: { metadata: { annotations: {} }, spec: {} },
};

const review = (request: object, more: object = {}) =>
  parseReview(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request, ...more }));

describe('an AdmissionReview', () => {
  it('is a question about a new pod, or about nothing', () => {
    assert.deepEqual(review(REQUEST), { uid: 'u', namespace: 'default', dryRun: false, pod: REQUEST.object });
    assert.equal(review({ ...REQUEST, dryRun: true }).dryRun, true);
    const others = [
      { operation: 'UPDATE' },
      { subResource: 'status' },
      { resource: { group: 'apps', resource: 'pods' } },
      { resource: undefined },
    ];
    for (const other of others) assert.equal(review({ ...REQUEST, ...other }).pod, undefined);
  });

  it('that is none is refused with what is wrong', () => {
    const wrong: [string, RegExp][] = [
      ['', /no JSON/],
      ['[]', /the body: must be an object/],
      ['{}', /no AdmissionReview of admission.k8s.io\/v1/],
      ['{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1"}', /no AdmissionReview of/],
      ['{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}', /request: must be an object/],
    ];
    for (const [text, message] of wrong) assert.throws(() => parseReview(text), message);
    assert.throws(() => review({ ...REQUEST, uid: '' }), /request.uid/);
    assert.throws(() => review({ ...REQUEST, object: null }), InvalidReview);
  });

  it('is answered with a patch, with nothing, or with a refusal', () => {
    const request = review(REQUEST);
    const patch = [{ op: 'add', path: '/a', value: 1 } as const];
    const about = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' };
    assert.deepEqual(answer(request, { patch, warnings: ['careful'] }), {
      ...about,
      response: {
        uid: 'u',
        allowed: true,
        patchType: 'JSONPatch',
        patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
        warnings: ['careful'],
      },
    });
    assert.deepEqual(answer(request, { patch: [], warnings: [] }), { ...about, response: { uid: 'u', allowed: true } });
    const status = { code: 422, reason: 'Invalid', message: 'no' };
    assert.deepEqual(answer(request, new InvalidPod('no')), {
      ...about,
      response: { uid: 'u', allowed: false, status },
    });
  });
});
