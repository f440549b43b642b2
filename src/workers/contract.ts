/** What the main thread and a worker ask of each other: see `calls.ts` for how it crosses. */
import type { FifoAddress, InternetAddress, MessageAddress, SocketAddress } from '../core/engine.ts';
import type { ApiRequest, ApiResponse } from '../core/protocol.ts';
import type { ControlPlane, DataPlane, Ending, LogLine, PlaneStart } from '../data-plane/contract.ts';
import type { BoundDatagram, BoundFifos, BoundSocket } from '../io/binder.ts';
import type { SiblingStart } from '../io/native/streams/siblings.ts';
import type { Mappings } from '../io/native/system/arena.ts';
import type { DescriptorMap } from '../io/native/system/descriptors.ts';
import type { Step } from '../model/step.ts';
import type { Owner } from './owner.ts';

/** What a worker is started with; plain data. */
export interface WorkerStart extends PlaneStart {
  /** How many there are. */
  readonly workers: number;
  /** URLs of the modules that export the plugins. */
  readonly plugins: readonly string[];
  /** Where it notes its descriptors; undefined where node keeps them. */
  readonly descriptors: DescriptorMap | undefined;
  /** Where it notes the memory that it maps; undefined likewise. */
  readonly mappings: Mappings | undefined;
  /** What it knows of the others that listen on the same sockets. */
  readonly siblings: SiblingStart | undefined;
}

/** What the main thread asks of a worker. */
export interface WorkerCalls extends Omit<DataPlane, 'take' | 'settle'> {
  /** `steps`: those of the change, where nothing was to be released, and so nothing was said yet. */
  take(steps?: readonly Step[]): Promise<void>;
  settle(endings: readonly Ending[], steps?: readonly Step[]): Promise<void>;
  /** Resolves when it is ready, and rejects where it cannot be. */
  open(): Promise<void>;
}

/** A socket that was bound, as it crosses: `id` releases it, if there is anything to release. */
export type Bound<T extends BoundSocket> = Omit<T, 'release'> & { readonly id: number | undefined };

/** An answer as it crosses: whole, or with the number by which its parts are asked for. */
export type PlainResponse = Omit<ApiResponse, 'body'> &
  ({ readonly body: string | Uint8Array } | { readonly parts: number });

/** What a worker asks of the main thread. */
export interface MainCalls extends Owner {
  /** Resolves when they are taken; `lost` are missing in them. */
  log(lines: readonly LogLine[], lost: number): Promise<void>;
  ended(records: readonly object[], lost: number): Promise<void>;
  api(request: ApiRequest): Promise<PlainResponse>;
  /** The next part of an answer; undefined at its end. */
  apiPart(parts: number): Promise<string | Uint8Array | undefined>;
  /** No more of its parts is asked for. */
  apiDrop(parts: number): Promise<void>;
  metrics: ControlPlane['metrics'];
  bindStream(at: SocketAddress): Promise<Bound<BoundSocket>>;
  bindMessages(at: MessageAddress): Promise<Bound<BoundSocket>>;
  bindFifos(at: FifoAddress): Promise<Bound<BoundFifos>>;
  bindDatagram(at: InternetAddress): Promise<Bound<BoundDatagram>>;
  release(id: number): Promise<void>;
}
