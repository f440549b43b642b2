import { Cidrs } from '../core/cidr.ts';

/** Who may reach a listener, as its options `allow` and `deny` say. */
export class Access {
  readonly #allow: Cidrs | undefined;
  readonly #deny: Cidrs | undefined;

  /** Throws a RangeError where one of them is no IP address and no CIDR: they have been checked. */
  constructor({ allow, deny }: { readonly allow?: readonly string[]; readonly deny?: readonly string[] }) {
    this.#allow = allow && new Cidrs(allow);
    this.#deny = deny && new Cidrs(deny);
  }

  /** Whether a peer is taken. One without an address (UNIX sockets) is in no list; one in both is denied. */
  has(address: string | undefined): boolean {
    if (this.#deny && address !== undefined && this.#deny.has(address)) return false;
    return !this.#allow || (address !== undefined && this.#allow.has(address));
  }
}
