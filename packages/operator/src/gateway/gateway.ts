/** What becomes of one Gateway: a pure function of it, its class and the routes that refer to it. */
import type { Snapshot } from '../cluster/contract.ts';
import type { SecretName } from '../cluster/secrets.ts';
import type { Condition } from '../resources/objects.ts';
import { type Attachment, attach } from './attachment.ts';
import { type Certificates, secretsOf } from './certificates.ts';
import { viewListeners } from './listeners.ts';
import { CONTROLLER, type Gateway, type GatewayClass, type Route } from './objects.ts';

export interface GatewayView extends Attachment {
  /** What the certificates were made of: keys of Secrets, and `grants/…`. */
  readonly topics: ReadonlySet<string>;
  readonly gateway: Gateway;
  /** Accepted */
  readonly accepted: Condition;
}

/** Undefined for a class that is another controller's, or not there. */
export function isOurs(gatewayClass: GatewayClass | undefined): gatewayClass is GatewayClass {
  return gatewayClass?.spec.controllerName === CONTROLLER;
}

/** The Secrets that Gateways of ours name and may have. */
export function* secretsNamed(snapshot: Snapshot): Iterable<SecretName> {
  for (const object of snapshot.list('Gateway')) {
    const gateway = object as unknown as Gateway;
    const gatewayClass = snapshot.get('GatewayClass', '', gateway.spec.gatewayClassName) as GatewayClass | undefined;
    if (isOurs(gatewayClass)) yield* secretsOf(gateway, snapshot);
  }
}

/** Accepted. A class takes no parameters. */
export function classAccepted({ spec: { parametersRef } }: GatewayClass): Condition {
  if (!parametersRef) return accepted('Accepted', '');
  const { kind, name } = parametersRef;
  return refused('InvalidParameters', `parametersRef ${kind} ${name}: a class of this controller takes none`);
}

export interface GatewayWorld {
  readonly snapshot: Snapshot;
  readonly certificates: Certificates;
  /** Of the proxies' REST API. */
  readonly proxyPort: number;
}

/** `routes`: those that refer to it. */
export function viewGateway(
  gateway: Gateway,
  gatewayClass: GatewayClass,
  routes: readonly Route[],
  { snapshot, certificates, proxyPort }: GatewayWorld,
): GatewayView {
  const topics = new Set<string>();
  const listeners = viewListeners(gateway, proxyPort, (one) => certificates.of(gateway, one, topics));
  const refusal = refusalOf(gateway, gatewayClass);
  const invalid = listeners.filter((view) => !view.isOpen).map(({ listener }) => listener.name);
  const usable = !refusal && invalid.length < listeners.length;
  return {
    gateway,
    topics,
    accepted: refusal ?? withListeners(invalid, listeners.length),
    ...attach(gateway, listeners, routes, usable, snapshot),
  };
}

/** Whether it gets proxies. */
export function isAccepted({ accepted: { status } }: GatewayView): boolean {
  return status === 'True';
}

function refusalOf({ spec }: Gateway, gatewayClass: GatewayClass): Condition | undefined {
  if (classAccepted(gatewayClass).status === 'False') {
    return refused('InvalidParameters', `GatewayClass ${gatewayClass.metadata.name} is not accepted`);
  }
  const parameters = spec.infrastructure?.parametersRef;
  if (parameters) {
    return refused(
      'InvalidParameters',
      `infrastructure.parametersRef ${parameters.kind} ${parameters.name}: none is taken`,
    );
  }
  const foreign = (spec.addresses ?? []).find(({ type = 'IPAddress' }) => type !== 'IPAddress');
  if (foreign) return refused('UnsupportedAddress', `addresses of type ${foreign.type} cannot be had, only IPAddress`);
  return undefined;
}

function withListeners(invalid: readonly string[], all: number): Condition {
  if (!all) return refused('ListenersNotValid', 'there is no listener');
  if (!invalid.length) return accepted('Accepted', '');
  const message = `not valid: ${invalid.join(', ')}`;
  if (invalid.length === all) return refused('ListenersNotValid', `no listener is valid: ${invalid.join(', ')}`);
  return accepted('ListenersNotValid', `the others are accepted; ${message}`);
}

function accepted(reason: string, message: string): Condition {
  return { type: 'Accepted', status: 'True', reason, message };
}

function refused(reason: string, message: string): Condition {
  return { type: 'Accepted', status: 'False', reason, message };
}
