/** What becomes of one Gateway: a pure function of it, its class and the routes that refer to it. */
import type { Snapshot } from '../cluster/contract.ts';
import type { Condition } from '../resources/objects.ts';
import { type Attachment, attach } from './attachment.ts';
import { viewListeners } from './listeners.ts';
import { CONTROLLER, type Gateway, type GatewayClass, type Route } from './objects.ts';

export interface GatewayView extends Attachment {
  readonly gateway: Gateway;
  /** Accepted */
  readonly accepted: Condition;
}

/** Undefined for a class that is another controller's, or not there. */
export function isOurs(gatewayClass: GatewayClass | undefined): gatewayClass is GatewayClass {
  return gatewayClass?.spec.controllerName === CONTROLLER;
}

/** Accepted. A class takes no parameters. */
export function classAccepted({ spec: { parametersRef } }: GatewayClass): Condition {
  if (!parametersRef) return accepted('Accepted', '');
  const { kind, name } = parametersRef;
  return refused('InvalidParameters', `parametersRef ${kind} ${name}: a class of this controller takes none`);
}

/** `routes`: those that refer to it. `proxyPort`: of the proxies' REST API. */
export function viewGateway(
  gateway: Gateway,
  gatewayClass: GatewayClass,
  routes: readonly Route[],
  { snapshot, proxyPort }: { readonly snapshot: Snapshot; readonly proxyPort: number },
): GatewayView {
  const listeners = viewListeners(gateway, proxyPort);
  const refusal = refusalOf(gateway, gatewayClass);
  const invalid = listeners.filter((view) => !view.accepted).map(({ listener }) => listener.name);
  const usable = !refusal && invalid.length < listeners.length;
  return {
    gateway,
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
