import type { Writable } from 'node:stream';
import { isatty } from 'node:tty';
import type { MessageAttributes, QueueLimits } from '../../core/channel.ts';
import { LocalChannel } from '../../core/local-channel.ts';
import { defineProtocol, type Protocol } from '../../core/protocol.ts';
import { openFile, openStream } from '../../output/output.ts';
import { printable } from '../../output/printable.ts';
import { FileWriter } from '../../output/writer.ts';
import { MessageLog } from './message-log.ts';

const STDOUT = '-';

class LoggerChannel extends LocalChannel {
  readonly #log: MessageLog;

  constructor(log: MessageLog, limits: QueueLimits) {
    super(limits);
    this.#log = log;
    log.join();
  }

  protected override work(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    this.#log.write(bytes);
    this.deliver(bytes, attributes, owned);
  }

  protected override shut(): void {
    this.#log.leave();
  }
}

/** The Logger on a process's stdout. `isTerminal`: a terminal would obey what comes from a peer. */
export function createLogger(streams: { readonly stdout: Writable }, isTerminal: () => boolean): Protocol {
  return defineProtocol({
    name: 'Logger',
    title: 'Passes everything on, and writes it to a file or to stdout.',
    cluster: {
      schema: ({ strict, Type }) =>
        strict({
          log_file: Type.Optional(
            Type.String({
              minLength: 1,
              description: 'The path of a file to append to, or `-` for stdout, the default.',
            }),
          ),
          log_prefix: Type.Optional(
            Type.String({
              description:
                'Each message is written as `<log_prefix>: <message>`; without it, as it is. No line end is added.',
            }),
          ),
        }),
      kind: 'same',
      virtual: true,
      files: ({ log_file: path = STDOUT }) => (path === STDOUT ? [] : [{ field: '/log_file', path, use: 'append' }]),
      open: async ({ log_file: path = STDOUT, log_prefix: prefix = '' }, { name, limits, log, enclosure }) => {
        const { stdout } = streams;
        const output = path === STDOUT ? openStream(stdout) : await openFile(path, '/log_file', enclosure);
        const shown = (): boolean => path === STDOUT && (isTerminal() || log.onStdout === true);
        const messages = new MessageLog((onLost) => new FileWriter(output, { onLost }), {
          prefix,
          form: (bytes) => (shown() ? Buffer.from(printable(bytes.toString())) : bytes),
          say: (text) => log.write('warn', name, text),
        });
        return {
          dial: () => new LoggerChannel(messages, limits),
          reopen: () => messages.reopen(),
          close: () => messages.retire(),
        };
      },
    },
  });
}

/** In a worker, stdout is a stream to the main thread: the descriptor knows what it is. */
export const logger = createLogger(process, () => isatty(1));
