/**
 * The contract of a layer: what stands between a bottom protocol (one that stands on none) and whatever stands on that one, as
 * TLS and the PROXY protocol do. To its user a layer is some fields of the protocol's specification; `with-layers.ts` puts
 * them there. One layer is one folder that exports one `Layer`, named in one list (`src/layers/index.ts`).
 *
 * A layer owns its fields and what it does with the channels below. Names of sessions, metadata and options stay the protocol's;
 * a layer lays what it knows over the metadata (`LayerChannel.about`).
 */
import type { TSchema } from 'typebox';
import type { ClusterHost, Dialer, FileUse, ListenerHost, Listening, Spec, Transport } from './protocol.ts';
import type { SchemaParts } from './schema.ts';

/** A layer: what a listener, a cluster or both may have beside the protocol. */
export interface Layer {
  /** The field that a specification has it by. Two layers may share one, where no channels suit both. */
  readonly name: string;
  /** One line for the reference. */
  readonly title: string;
  /** What it needs, in words that go on behind the name of its field: `needs a byte stream`. */
  readonly needs: string;
  /** Whether it can stand on such channels; its own are of the same kind. */
  suits(transport: Transport): boolean;
  readonly listener?: ListenerLayer;
  readonly cluster?: ClusterLayer;
}

/** What is said alike of both sides of a layer. */
export interface LayerSide {
  /** The fields, by name, that of the layer among them; none has to be there, and the others mean nothing without that one. */
  readonly schema: { readonly [field: string]: (parts: SchemaParts) => TSchema };
  /** As a protocol's: JSON pointers such as `/spec/tls`. What `listen` or `open` gives takes them up by `reconfigure`. */
  readonly live?: readonly string[];
  /** Other names of its fields, as a protocol's. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** The files that a checked specification names in its fields. */
  files?(spec: Spec): readonly FileUse[];
  /**
   * JSON pointers, in the specification, to those texts of its fields that nobody is shown. Who writes back what was read
   * keeps them: `check` may meet `<redacted>` there (`REDACTED`), `listen` and `open` do not.
   */
  secrets?(spec: Spec): readonly string[];
  /** Checks what the schema cannot say, as a protocol's. `transport`: what the channels below are like. */
  check?(spec: Spec, transport: Transport): void;
}

/** How a layer listens. */
export interface ListenerLayer extends LayerSide {
  /**
   * Listens on `below`, the specification without its own fields, with `host.listenOn` (`listenOnLayer` does). What it
   * returns need not pass `reconfigure` on to what is below.
   *
   * @example listen: (spec, below, host) => listenOnLayer(host, below, (lower) => new MarkedChannel(lower)),
   */
  listen(spec: Spec, below: Spec, host: ListenerHost): Promise<Listening>;
}

/** How a layer dials. */
export interface ClusterLayer extends LayerSide {
  /**
   * Opens a dialler on `below`, the specification without its own fields, with `host.dialerOn`. What it returns need not pass
   * `reconfigure`, `reopen` and `close` on to what is below.
   *
   * @example
   * open: async (spec, below, host) => {
   *   const dialer = await host.dialerOn(below);
   *   return { dial: (attempt) => dialLayer(dialer, attempt, (lower) => new MarkedChannel(lower)) };
   * },
   */
  open(spec: Spec, below: Spec, host: ClusterHost): Promise<Dialer>;
}
