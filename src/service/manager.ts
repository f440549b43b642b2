/** What a service manager, such as systemd, is told of the proxy: sd_notify(3), sd_watchdog_enabled(3). */
import { asL7mpError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { Watchdog } from './watchdog.ts';

/** What it is told at a time, by the names of sd_notify(3). */
type State = Readonly<Record<string, string | number>>;

/** The variables by which it says what it wants. What the proxy starts is not meant. */
const VARIABLES = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const;

/** Milliseconds that an end takes beside the draining. */
const ENDING = 10_000;

/** Who has started the process as a service. Where nobody has, all of it is of no effect. */
export class ServiceManager {
  readonly #send: ((text: string) => void) | undefined;
  readonly #watchdog: Watchdog | undefined;
  readonly #log: Log;
  #failed = false;

  /** Takes its variables out of `env`. */
  static async open(env: NodeJS.ProcessEnv, log: Log): Promise<ServiceManager> {
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: time, WATCHDOG_PID: pid } = env;
    for (const name of VARIABLES) delete env[name];
    if (!socket) return new ServiceManager(log);
    const { sendToUnixSocket } = await import('../io/native/system/unix-datagram.ts');
    const isMeant = pid === undefined || pid === String(process.pid);
    const send = (text: string): void => sendToUnixSocket(socket, Buffer.from(text));
    return new ServiceManager(log, send, isMeant && time ? Number(time) / 1000 : undefined);
  }

  /** `lives`: milliseconds within which it wants to hear each time that the process lives. */
  private constructor(log: Log, send?: (text: string) => void, lives?: number) {
    this.#log = log;
    this.#send = send;
    if (lives !== undefined) this.#watchdog = new Watchdog(lives, () => this.#tell({ WATCHDOG: 1 }), log);
  }

  /** The proxy runs. It lives as long as what `probe` returns is settled, each time that it is asked. */
  started(status: string, probe: () => Promise<unknown>): void {
    this.#tell({ READY: 1, STATUS: status });
    this.#watchdog?.start(probe);
  }

  /** The configuration is read again; then, again, that the proxy runs. */
  async reloading(read: () => Promise<void>): Promise<void> {
    // Of CLOCK_MONOTONIC, as that of hrtime is.
    this.#tell({ RELOADING: 1, MONOTONIC_USEC: String(process.hrtime.bigint() / 1000n) });
    try {
      await read();
    } finally {
      this.#tell({ READY: 1 });
    }
  }

  /** The proxy ends, within `grace` milliseconds and a little. */
  stopping(grace: number): void {
    const status = grace > 0 ? `draining, for ${grace} ms at most` : 'shutting down';
    this.#tell({ STOPPING: 1, STATUS: status, EXTEND_TIMEOUT_USEC: (grace + ENDING) * 1000 });
  }

  #tell(state: State): void {
    if (!this.#send) return;
    const lines = Object.entries(state).map(([name, value]) => `${name}=${value}\n`);
    try {
      this.#send(lines.join(''));
      this.#failed = false;
    } catch (error) {
      if (!this.#failed)
        this.#log.write('warn', 'service', `the service manager is not told: ${asL7mpError(error).message}`);
      this.#failed = true;
    }
  }
}
