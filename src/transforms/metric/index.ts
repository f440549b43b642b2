import { sessionOf } from '../../core/attempt.ts';
import type { MessageAttributes, QueueLimits } from '../../core/channel.ts';
import { L7mpError } from '../../core/errors.ts';
import { LocalChannel } from '../../core/local-channel.ts';
import { defineProtocol, type LabelledCounter } from '../../core/protocol.ts';

const BYTES = 'session_byte_counter_total';
const PACKETS = 'session_packet_counter_total';
const LABELS = ['sessionName', 'clusterName'];

/** The names of metrics in Prometheus's data model. */
const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

interface Counters {
  readonly bytes: LabelledCounter;
  readonly packets: LabelledCounter;
}

/** Every channel counts what is written into it: the counters only ask for that. */
class MetricChannel extends LocalChannel {
  readonly #unwatch: readonly (() => void)[];

  constructor({ bytes, packets }: Counters, labels: Record<string, string>, limits: QueueLimits) {
    super(limits);
    this.#unwatch = [bytes.watch(labels, () => this.bytesOut), packets.watch(labels, () => this.messagesOut)];
  }

  protected override work(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    this.deliver(bytes, attributes, owned);
  }

  protected override shut(): void {
    for (const unwatch of this.#unwatch) unwatch();
  }
}

export const metric = defineProtocol({
  name: 'Metric',
  title: 'Passes everything on, and counts bytes and messages for each session.',
  cluster: {
    schema: ({ strict, Type }) =>
      strict({
        byteCounterName: Type.Optional(Type.String({ description: `The metric that counts bytes. Default ${BYTES}.` })),
        packetCounterName: Type.Optional(
          Type.String({ description: `The metric that counts messages. Default ${PACKETS}.` }),
        ),
      }),
    kind: 'same',
    virtual: true,
    check: ({ byteCounterName = BYTES, packetCounterName = PACKETS }) => {
      checkName('byteCounterName', byteCounterName);
      checkName('packetCounterName', packetCounterName);
      if (byteCounterName === packetCounterName) {
        throw new L7mpError('E_INVALID', '/packetCounterName: bytes are counted under this name');
      }
    },
    open: ({ byteCounterName = BYTES, packetCounterName = PACKETS }, { name: clusterName, limits, services }) => {
      const counters: Counters = {
        bytes: services.counter(byteCounterName, 'Bytes of a session that passed through a cluster.', LABELS),
        packets: services.counter(packetCounterName, 'Messages of a session that passed through a cluster.', LABELS),
      };
      return {
        dial: (attempt) => new MetricChannel(counters, { sessionName: sessionOf(attempt).name, clusterName }, limits),
      };
    },
  },
});

function checkName(field: string, name: string): void {
  if (!NAME.test(name)) {
    throw new L7mpError(
      'E_INVALID',
      `/${field}: ${JSON.stringify(name)} is no name of a Prometheus metric (${NAME.source})`,
    );
  }
}
