/** What protocols and transforms of other packages are made of: `import { … } from 'l7mp'`. */
export { default as Type, type Static } from 'typebox';
export * from './core/channel.ts';
export { asL7mpError, ERRORS, type ErrorCode, L7mpError } from './core/errors.ts';
export { dialLayer, listenOnLayer, type Wrap } from './core/handshakes.ts';
export { type HandshakeObserver, LayerChannel } from './core/layer.ts';
export { LocalChannel } from './core/local-channel.ts';
export type { Level, Log } from './core/log.ts';
export type { Json, Metadata } from './core/metadata.ts';
export { formatPointer, getAt, type Pointer, parsePointer, parseWritablePointer, setAt } from './core/pointer.ts';
export * from './core/protocol.ts';
export { Address, BindSchema, Name, Port, strict, TransportSpec } from './core/schema.ts';
export type {
  Acceptor,
  Bind,
  DatagramListening,
  Ends,
  Engine,
  SocketAddress,
  SocketChannel,
} from './io/engine.ts';
