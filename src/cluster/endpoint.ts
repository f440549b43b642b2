import type { Candidate } from './balancers/index.ts';

/** The address of the only endpoint of a cluster without a network. */
export const VIRTUAL = '<VIRTUAL>';

/** Where a cluster's connections go. */
export class Endpoint implements Candidate {
  readonly name: string;
  /** The name of its cluster. */
  readonly cluster: string;
  readonly address: string;
  readonly weight: number;
  /** Live sessions with a stage connected to it. */
  sessions = 0;

  constructor(name: string, cluster: string, address: string, weight: number) {
    this.name = name;
    this.cluster = cluster;
    this.address = address;
    this.weight = weight;
  }
}
