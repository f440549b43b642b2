/** Puts layers into protocols: their fields into its specifications, and their channels between it and what stands on it. */
import { isDeepStrictEqual } from 'node:util';
import type { TObject } from 'typebox';
import type { ChannelKind } from './channel-contract.ts';
import { L7mpError } from './errors.ts';
import type { Layer, LayerSide } from './layers.ts';
import type {
  ClusterHost,
  ClusterSide,
  Dialer,
  ListenerHost,
  ListenerSide,
  Listening,
  Protocol,
  Reconfigurable,
  Spec,
  Transport,
} from './protocol.ts';
import type { SchemaParts } from './schema.ts';
import { undoAfter } from './undo.ts';

type Side = ListenerSide | ClusterSide;
type Role = 'listener' | 'cluster';

const KINDS: readonly ChannelKind[] = ['stream', 'datagram'];

/**
 * The protocol with those layers that may stand on it, in the order from the wire up. One that stands on another protocol, or
 * that nothing may stand on, stays as it is.
 */
export function withLayers(protocol: Protocol, layers: readonly Layer[]): Protocol {
  const { listener, cluster } = protocol;
  return {
    ...protocol,
    ...(listener && { listener: layeredListener(listener, new Stack(protocol.name, 'listener', listener, layers)) }),
    ...(cluster && { cluster: layeredCluster(cluster, new Stack(protocol.name, 'cluster', cluster, layers)) }),
  };
}

/** The layers that one side of a protocol may have, from the wire up. */
class Stack {
  readonly layers: readonly Layer[];
  readonly #name: string;
  readonly #role: Role;
  readonly #side: Side;

  constructor(name: string, role: Role, side: Side, layers: readonly Layer[]) {
    this.#name = name;
    this.#role = role;
    this.#side = side;
    const kinds = typeof side.kind === 'function' ? KINDS : [side.kind as ChannelKind];
    const carries = side.transport === true && side.standsOn === undefined && side.layers !== false;
    this.layers = layers.filter(
      (layer) => carries && layer[role] !== undefined && kinds.some((kind) => layer.suits(this.#transport(kind))),
    );
  }

  sideOf(layer: Layer): LayerSide {
    return layer[this.#role] as LayerSide;
  }

  fieldsOf(layer: Layer): string[] {
    return Object.keys(this.sideOf(layer).schema);
  }

  /** What the channels of a specification are like. */
  transport(spec: Spec): Transport {
    const { kind } = this.#side;
    // A bottom protocol asks for no kind but its own.
    const own = typeof kind === 'function' ? kind(spec, () => 'stream') : kind;
    const { lossy = false } = this.#side;
    return { protocol: this.#name, kind: own as ChannelKind, lossy: typeof lossy === 'function' ? lossy(spec) : lossy };
  }

  /** What they may be like. */
  #transport(kind: ChannelKind): Transport {
    return { protocol: this.#name, kind, lossy: this.#side.lossy === true };
  }

  /** The layers that a specification has. */
  of(spec: Spec): Layer[] {
    const present = this.layers.filter(({ name }) => spec[name] !== undefined);
    if (present.length === 0) return present;
    const transport = this.transport(spec);
    return present.filter((layer) => layer.suits(transport));
  }

  /** The uppermost of them. */
  top(spec: Spec): { readonly layer: Layer; readonly below: Spec } | undefined {
    const layer = this.of(spec).at(-1);
    return layer && { layer, below: this.below(layer, spec) };
  }

  /** A specification without the fields of a layer. */
  below(layer: Layer, spec: Spec): Spec {
    const fields = this.fieldsOf(layer);
    return Object.fromEntries(Object.entries(spec).filter(([field]) => !fields.includes(field))) as Spec;
  }

  /** Throws E_INVALID. */
  check(spec: Spec): void {
    const transport = this.transport(spec);
    for (const layer of this.layers) {
      const field = this.fieldsOf(layer).find((name) => spec[name] !== undefined);
      if (field === undefined) continue;
      if (!layer.suits(transport)) this.#refuseUnsuitable(layer, field, transport);
      else if (spec[layer.name] === undefined) throw invalid(field, `means nothing without ${layer.name}`);
      else this.sideOf(layer).check?.(spec, transport);
    }
  }

  #refuseUnsuitable({ needs }: Layer, field: string, transport: Transport): void {
    const others = this.layers.filter((layer) => layer.suits(transport));
    if (!others.some((layer) => this.fieldsOf(layer).includes(field))) throw invalid(field, needs);
  }
}

function invalid(field: string, why: string): L7mpError {
  return new L7mpError('E_INVALID', `/${field}: ${why}`);
}

// -------------------------------------------------------------------- the sides

/** What a side says of its specifications, with the layers' part. */
function described<S extends Side>(side: S, stack: Stack): Partial<Side> {
  const { schema, live = [], aliases } = side;
  const sides = stack.layers.map((layer) => stack.sideOf(layer));
  const present = (spec: Spec): LayerSide[] => stack.of(spec).map((layer) => stack.sideOf(layer));
  return {
    schema: (parts: SchemaParts) => composed(typeof schema === 'function' ? schema(parts) : schema, sides, parts),
    live: [...live, ...sides.flatMap((layer) => layer.live ?? [])],
    aliases: Object.assign({}, aliases, ...sides.map((layer) => layer.aliases)),
    files: (spec: Spec) => [
      ...(side.files?.(spec) ?? []),
      ...present(spec).flatMap((layer) => layer.files?.(spec) ?? []),
    ],
    secrets: (spec: Spec) => [
      ...(side.secrets?.(spec) ?? []),
      ...present(spec).flatMap((layer) => layer.secrets?.(spec) ?? []),
    ],
    check: (spec: Spec, transport?: Transport) => {
      side.check?.(spec, transport);
      stack.check(spec);
    },
  };
}

function composed(schema: TObject, sides: readonly LayerSide[], parts: SchemaParts): TObject {
  const { type: _type, required: _required, properties, ...rest } = schema as TObject & { required?: unknown };
  return parts.Type.Object({ ...properties, ...layerFields(sides, parts) }, rest);
}

/** The fields of layers, all of which may be left out. Of two layers with one field the first says what it is. */
export function layerFields(sides: readonly LayerSide[], parts: SchemaParts): TObject['properties'] {
  const fields: TObject['properties'] = {};
  for (const [field, make] of sides.flatMap(({ schema }) => Object.entries(schema))) {
    fields[field] ??= parts.Type.Optional(make(parts));
  }
  return fields;
}

function layeredListener(side: ListenerSide, stack: Stack): ListenerSide {
  if (stack.layers.length === 0) return side;
  return {
    ...side,
    ...(described(side, stack) as Partial<ListenerSide>),
    listen: async (spec: Spec, host: ListenerHost): Promise<Listening> => {
      const top = stack.top(spec);
      if (!top) return side.listen(spec, host);
      const { layer, below } = top;
      let lower: Listening | undefined;
      const own: ListenerHost = Object.create(host, {
        listenOn: {
          value: async (...on: Parameters<ListenerHost['listenOn']>) => {
            lower = await host.listenOn(...on);
            return lower;
          },
        },
      });
      try {
        const listening = await (layer.listener as NonNullable<typeof layer.listener>).listen(spec, below, own);
        const { reconfigure } = new Taken(stack, layer, { spec, options: host.options }, listening, () => lower);
        return { close: () => listening.close(), reconfigure };
      } catch (error) {
        return undoAfter(error, async () => lower?.close());
      }
    },
  };
}

function layeredCluster(side: ClusterSide, stack: Stack): ClusterSide {
  if (stack.layers.length === 0) return side;
  return {
    ...side,
    ...(described(side, stack) as Partial<ClusterSide>),
    open: async (spec: Spec, host: ClusterHost): Promise<Dialer> => {
      const top = stack.top(spec);
      if (!top) return side.open(spec, host);
      const { layer, below } = top;
      let lower: Dialer | undefined;
      const own: ClusterHost = Object.create(host, {
        dialerOn: {
          value: async (on: Spec) => {
            lower = await host.dialerOn(on);
            return lower;
          },
        },
      });
      try {
        const dialer = await (layer.cluster as NonNullable<typeof layer.cluster>).open(spec, below, own);
        const { reconfigure } = new Taken(stack, layer, { spec, options: host.options }, dialer, () => lower);
        return {
          dial: (attempt) => dialer.dial(attempt),
          reopen: async () => {
            await dialer.reopen?.();
            await lower?.reopen?.();
          },
          close: async () => {
            await dialer.close?.();
            await lower?.close?.();
          },
          reconfigure,
        };
      } catch (error) {
        return undoAfter(error, async () => lower?.close?.());
      }
    },
  };
}

// -------------------------------------------------------------------- changes in place

/** What something was opened with. */
interface Said {
  readonly spec: Spec;
  readonly options: { readonly [field: string]: unknown };
}

/** What was opened with a layer, and how it takes up another specification: the layer first, then what is below. */
class Taken {
  readonly #stack: Stack;
  readonly #layer: Layer;
  readonly #opened: Reconfigurable;
  readonly #lower: () => Reconfigurable | undefined;
  #now: Said;

  constructor(stack: Stack, layer: Layer, now: Said, opened: Reconfigurable, lower: () => Reconfigurable | undefined) {
    this.#stack = stack;
    this.#layer = layer;
    this.#now = { spec: now.spec, options: { ...now.options } };
    this.#opened = opened;
    this.#lower = lower;
  }

  reconfigure = async (spec: Spec, options: Said['options']): Promise<boolean> => {
    // A layer that comes or goes changes what every byte means.
    if (this.#stack.top(spec)?.layer !== this.#layer) return false;
    const before = this.#now;
    const after = { spec, options: { ...options } };
    if (!(await reconfigured(this.#opened, this.#own(before), this.#own(after), after))) return false;
    try {
      const lower = await reconfigured(this.#lower(), this.#below(before), this.#below(after));
      if (lower) this.#now = after;
      return lower;
    } catch (error) {
      return undoAfter(error, async () => void (await this.#opened.reconfigure?.(before.spec, before.options)));
    }
  };

  /** What the layer looks at. */
  #own({ spec, options }: Said): Said {
    const own = this.#stack.fieldsOf(this.#layer);
    const fields = Object.entries(spec).filter(([field]) => own.includes(field));
    return { spec: { protocol: spec.protocol, ...Object.fromEntries(fields) }, options };
  }

  #below({ spec, options }: Said): Said {
    return { spec: this.#stack.below(this.#layer, spec), options };
  }
}

/** Whether what was opened `before` serves `after`, told as `told`. */
async function reconfigured(
  opened: Reconfigurable | undefined,
  before: Said,
  after: Said,
  told: Said = after,
): Promise<boolean> {
  if (isDeepStrictEqual(before, after)) return true;
  if (opened?.reconfigure) return opened.reconfigure(told.spec, told.options);
  return isDeepStrictEqual(before.spec, after.spec);
}
