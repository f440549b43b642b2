/**
 * When two ways of writing an object mean the same. `GET /config?form=apply` leaves out what equals a default, and fills in the
 * rest of what was given in part; what it will say of an object is what counts here, and not what was sent.
 */
import type { Definition } from '../translation/contract.ts';
import type { Kind } from './objects.ts';

type Fields = Record<string, unknown>;

/** docs/reference/protocols/README.md says what the proxy takes where nothing is said. */
const DEFAULT_RETRY = { retry_on: 'never', num_retries: 1, timeout: 2000 };
const DEFAULT_POLICY = 'Trivial';

/** What makes a text of the path that it would be else, and what stands for it. */
const PEM = '-----BEGIN ';
const REDACTED = '<redacted>';

const NORMAL: { readonly [K in Kind | 'endpoints']: (fields: Fields) => Fields } = {
  listeners: ({ spec, options, ...listener }) => ({
    ...listener,
    spec: normalSpec(spec),
    options: unlessEmpty(options),
  }),
  clusters: ({ spec, options, loadbalancer, ...cluster }) => ({
    ...cluster,
    spec: normalSpec(spec),
    options: unlessEmpty(options),
    loadbalancer: { policy: DEFAULT_POLICY, ...(loadbalancer as Fields | undefined) },
  }),
  endpoints: ({ spec, weight }) => {
    const { weight: inner, ...rest } = spec as Fields;
    return { spec: rest, weight: weight ?? inner ?? 1 };
  },
  routes: ({ destination, cluster, ingress, egress, retry }) => ({
    destination: destination ?? cluster,
    ingress: unlessEmpty(ingress),
    egress: unlessEmpty(egress),
    retry: { ...DEFAULT_RETRY, ...(retry as Fields | undefined) },
  }),
  rules: ({ match, action }) => ({ match: isPredicate(match) ? match : undefined, action }),
  rulelists: ({ rules }) => ({ rules }),
};

export class NormalForms {
  /** Definitions live as long as wishes do, and are shared among proxies. */
  readonly #texts = new WeakMap<Definition, string>();
  /** Texts that some proxy has said of a definition, and that it took for the same. */
  readonly #learned = new WeakMap<Definition, Set<string>>();

  /** Whether what a proxy has, or should have had, is as wished. */
  same(kind: Kind | 'endpoints', had: Definition, wished: Definition): boolean {
    if (had === wished) return true;
    const text = this.#text(kind, had);
    return text === this.#text(kind, wished) || (this.#learned.get(wished)?.has(text) ?? false);
  }

  /**
   * A proxy has said that what it had is what is wished, though we did not see it: so that what a later version writes in another
   * way is not sent again and again.
   */
  learn(kind: Kind | 'endpoints', had: Definition, wished: Definition): void {
    if (this.same(kind, had, wished)) return;
    const known = this.#learned.get(wished) ?? new Set();
    this.#learned.set(wished, known.add(this.#text(kind, had)));
  }

  #text(kind: Kind | 'endpoints', definition: Definition): string {
    const known = this.#texts.get(definition);
    if (known !== undefined) return known;
    const text = JSON.stringify(sorted(NORMAL[kind](definition)));
    this.#texts.set(definition, text);
    return text;
  }
}

/** `transport_spec` is another word for `transport`. */
function normalSpec(spec: unknown): unknown {
  const { transport_spec, transport = transport_spec, ...rest } = (spec ?? {}) as Fields;
  const own = 'tls' in rest ? { ...rest, tls: withoutKeys(rest.tls) } : rest;
  return transport === undefined ? own : { ...own, transport: normalSpec(transport) };
}

/** The proxy shows no key that is a text, but the certificate of it; where the one is another, so is the other. */
function withoutKeys(tls: unknown): unknown {
  if (typeof tls !== 'object' || tls === null) return tls;
  const { key, certificates, ...rest } = tls as Fields;
  return {
    ...rest,
    ...(key !== undefined && { key: typeof key === 'string' && key.includes(PEM) ? REDACTED : key }),
    ...(certificates !== undefined && {
      certificates: Array.isArray(certificates) ? certificates.map(withoutKeys) : certificates,
    }),
  };
}

/** A text, or an object that the API shows for it, matches everything, as no match does. */
function isPredicate(match: unknown): boolean {
  return typeof match === 'object' && match !== null && 'op' in match;
}

function unlessEmpty(value: unknown): unknown {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0 ? undefined : value;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(fields.map(([name, field]) => [name, sorted(field)]));
}
