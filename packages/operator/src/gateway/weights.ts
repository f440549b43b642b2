/** From the weights of backends to those of their endpoints. */

/** What the proxy takes. */
const LARGEST = 65_535;

export interface Share {
  /** Of the whole backend: 0 to 1,000,000. */
  readonly weight: number;
  /** Endpoints that divide it evenly. */
  readonly endpoints: number;
}

/**
 * The weight of one endpoint of each share: whole numbers of 0 to 65,535 in the same proportions, exactly where that can be.
 * A share without endpoints, or of weight 0, gets 0. One that has all to itself gets 1, however many endpoints it has: so none
 * changes when another one comes.
 */
export function endpointWeights(shares: readonly Share[]): number[] {
  const taking = shares.filter(({ weight, endpoints }) => weight > 0 && endpoints > 0);
  if (taking.length <= 1) return shares.map((share) => (taking.includes(share) ? 1 : 0));
  const common = taking.reduce((all, { endpoints }) => multiple(all, BigInt(endpoints)), 1n);
  const exact = shares.map(({ weight, endpoints }) => {
    return endpoints === 0 ? 0n : (BigInt(weight) * common) / BigInt(endpoints);
  });
  const divisor = exact.reduce(greatest, 0n);
  const whole = exact.map((weight) => Number(weight / divisor));
  const largest = Math.max(...whole);
  if (largest <= LARGEST) return whole;
  // Rounded, but never to nothing: a share that is small is still one.
  return whole.map((weight) => (weight === 0 ? 0 : Math.max(1, Math.round((weight / largest) * LARGEST))));
}

function greatest(a: bigint, b: bigint): bigint {
  return b === 0n ? a : greatest(b, a % b);
}

function multiple(a: bigint, b: bigint): bigint {
  return (a / greatest(a, b)) * b;
}
