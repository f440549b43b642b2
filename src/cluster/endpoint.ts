import type { EndpointDefinition } from '../reconcile/definitions.ts';
import type { Candidate } from './balancers/index.ts';

/** The address of the only endpoint of a cluster without a network. */
export const VIRTUAL = '<VIRTUAL>';

/** Where a cluster's connections go. */
export class Endpoint implements Candidate {
  definition: EndpointDefinition;
  /** Live sessions with a stage connected to it. */
  sessions = 0;

  constructor(definition: EndpointDefinition) {
    this.definition = definition;
  }

  get name(): string {
    return this.definition.name;
  }

  get address(): string {
    return this.definition.address;
  }

  get weight(): number {
    return this.definition.weight;
  }
}
