/** The PROXY protocol on byte streams: a header, and nothing more. */
import { BINARY, type Channel, type MessageAttributes } from '../../core/channel.ts';
import type { SocketChannel } from '../../core/engine.ts';
import { LayerChannel } from '../../core/layer.ts';
import type { Metadata } from '../../core/metadata.ts';
import { type Header, readHeader } from './header.ts';
import { announcedMetadata } from './metadata.ts';
import { type Version, writeHeader } from './write.ts';

/** The side that is told for whom the peer stands. */
export class AnnouncedChannel extends LayerChannel {
  /** What has come of the header. Bounded: what cannot become one is refused at once. */
  #begun: Buffer | undefined;
  #header: Header | undefined;

  override get announced(): string | undefined {
    const { announced } = this.#header ?? {};
    return announced?.ports && announced.source;
  }

  override get socket(): SocketChannel | undefined {
    return this.#header && this.lower.socket;
  }

  override describe(): Metadata {
    const below = this.lower.describe();
    return this.#header ? announcedMetadata(below, this.#header) : below;
  }

  /** The peer speaks first. */
  protected override start(): void {}

  protected override shake(bytes: Uint8Array, attributes: MessageAttributes): void {
    const all = this.#begun ? Buffer.concat([this.#begun, bytes]) : Buffer.from(bytes);
    const header = readHeader(all);
    this.#begun = header ? undefined : all;
    if (!header) return;
    this.#header = header;
    if (all.length > header.length) this.deliver(all.subarray(header.length), attributes, true);
    this.complete();
  }
}

/** The side that says for whom it stands. */
export class AnnouncingChannel extends LayerChannel {
  readonly #version: Version;
  readonly #metadata: Metadata | undefined;

  constructor(lower: Channel, version: Version, metadata: Metadata | undefined) {
    super(lower);
    this.#version = version;
    this.#metadata = metadata;
  }

  override get socket(): SocketChannel | undefined {
    return this.lower.socket;
  }

  protected override start(): void {
    this.lower.write(writeHeader(this.#version, this.#metadata), BINARY, true);
    this.complete();
  }
}
