/** What protocols and transforms of other packages are made of: `import { … } from 'l7mp'`. */
export * from './core/channel.ts';
export { asL7mpError, ERRORS, type ErrorCode, L7mpError } from './core/errors.ts';
export { LocalChannel } from './core/local-channel.ts';
export type { Level, Log } from './core/log.ts';
export type { Json, Metadata } from './core/metadata.ts';
export * from './core/protocol.ts';
export { Address, BindSchema, Name, Port, strict, TransportSpec } from './core/schema.ts';
