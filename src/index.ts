// biome-ignore-all assist/source/organizeImports: the order is that of the page for plugin authors, with its headings.
/** What protocols and transforms of other packages are made of: `import { … } from 'l7mp'`. */
export { default as Type, type Static } from 'typebox';

// The definition of a protocol
export {
  type ApiPeer,
  type ApiRequest,
  type ApiResponse,
  type Attempt,
  type ClusterHost,
  type ClusterOptions,
  type ClusterSide,
  type Dialer,
  type DiallingSession,
  defineProtocol,
  type Enclosure,
  type FileUse,
  type LabelledCounter,
  type ListenerHost,
  type ListenerOptions,
  type ListenerSide,
  type Listening,
  type Protocol,
  type Reconfigurable,
  type Services,
  type SideBase,
  type Spec,
  type StreamKind,
  type Transport,
} from './core/protocol.ts';
export {
  Address,
  BindSchema,
  type Made,
  Name,
  Port,
  type SchemaParts,
  type StaticOf,
  strict,
  TransportSpec,
} from './core/schema.ts';
export { type StandsOn, specBelow } from './core/stands-on.ts';

// Channels
export { Channel } from './core/channel.ts';
export {
  BINARY,
  type ChannelKind,
  type ChannelOwner,
  type CloseReason,
  DEFAULT_LIMITS,
  type DropReason,
  type Head,
  type Headers,
  type MessageAttributes,
  type QueueLimits,
  type Reader,
  type Tail,
  TEXT,
  type Writer,
} from './core/channel-contract.ts';
export { AttributeTable, type StreamAttributes } from './core/attributes.ts';
export { type ByteStream, ChannelDuplex, streamOf } from './core/channel-duplex.ts';
export { LocalChannel } from './core/local-channel.ts';

// Layers, and dialling
export { type HandshakeObserver, LayerChannel } from './core/layer.ts';
export { dialLayer, listenOnLayer, type Wrap } from './core/handshakes.ts';
export { onAbort, sessionOf } from './core/attempt.ts';

// Sockets
export type {
  Acceptor,
  Bind,
  DatagramListening,
  Ends,
  Engine,
  First,
  Relay,
  SocketAddress,
  SocketChannel,
  SocketListening,
} from './core/engine.ts';
export { freePath } from './io/unix-path.ts';
export { endsMetadata, endsName, socketAcceptor } from './protocols/addresses.ts';

// Errors, the log and metadata
export { asL7mpError, ERRORS, type ErrorCode, L7mpError } from './core/errors.ts';
export type { Level, Log } from './core/log.ts';
export type { Json, Metadata } from './core/metadata.ts';
export { formatPointer, getAt, type Pointer, parsePointer, parseWritablePointer, setAt } from './core/pointer.ts';
