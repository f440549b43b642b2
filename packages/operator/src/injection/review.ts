/** Answers the API server's question about a pod: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/ */
import { type AdmittedPod, type Injection, InvalidPod } from './inject.ts';

const API_VERSION = 'admission.k8s.io/v1';

export interface AdmissionRequest {
  readonly uid: string;
  readonly namespace: string;
  readonly dryRun: boolean;
  /** Undefined for anything but the creation of a pod, which is let through as it is. */
  readonly pod: AdmittedPod | undefined;
}

/** A body that is no AdmissionReview of v1; the message says why. */
export class InvalidReview extends Error {}

/** Throws InvalidReview. */
export function parseReview(text: string): AdmissionRequest {
  const { apiVersion, kind, request } = objectOf(parsed(text), 'the body');
  if (kind !== 'AdmissionReview' || apiVersion !== API_VERSION) {
    throw new InvalidReview(`the body is no AdmissionReview of ${API_VERSION}`);
  }
  const { uid, namespace, operation, dryRun, resource, subResource, object } = objectOf(request, 'request');
  if (typeof uid !== 'string' || uid === '') throw new InvalidReview('request.uid: is not there');
  const { group, resource: plural } = objectOf(resource ?? {}, 'request.resource');
  const isNewPod = operation === 'CREATE' && group === '' && plural === 'pods' && !subResource;
  return {
    uid,
    namespace: typeof namespace === 'string' ? namespace : '',
    dryRun: dryRun === true,
    pod: isNewPod ? (objectOf(object, 'request.object') as AdmittedPod) : undefined,
  };
}

/** The AdmissionReview with the answer: an injection, or why there is none. */
export function answer({ uid }: AdmissionRequest, result: Injection | InvalidPod): object {
  const response =
    result instanceof InvalidPod
      ? { uid, allowed: false, status: { code: 422, reason: 'Invalid', message: result.message } }
      : { uid, allowed: true, ...patchOf(result), ...(result.warnings.length > 0 && { warnings: result.warnings }) };
  return { apiVersion: API_VERSION, kind: 'AdmissionReview', response };
}

function patchOf({ patch }: Injection) {
  if (!patch.length) return {};
  return { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidReview(`the body is no JSON: ${(error as Error).message}`);
  }
}

function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>;
  throw new InvalidReview(`${what}: must be an object`);
}
