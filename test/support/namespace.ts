/** A network namespace of its own: in it, the well-known ports of documents are free. */
import { execFileSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { Command } from './command.ts';
import { program, run } from './programs.ts';

let made = 0;

/** Why there can be no namespaces here; undefined where there can. Throws where `ip` is missing. */
export function noNamespaces(): string | undefined {
  const name = newName();
  try {
    ip('netns', 'add', name);
  } catch (error) {
    return `this test needs a network namespace: ${(error as { stderr: Buffer }).stderr.toString().trim()}`;
  }
  try {
    ip('netns', 'exec', name, 'true');
    return undefined;
  } catch (error) {
    return `this test needs a network namespace: ${(error as { stderr: Buffer }).stderr.toString().trim()}`;
  } finally {
    ip('netns', 'del', name);
  }
}

const newName = () => `l7mp-test-${process.pid}-${++made}`;

function ip(...args: string[]): void {
  execFileSync(program('ip'), args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

export class Namespace {
  readonly #name = newName();
  readonly #t: TestContext;

  /** Goes with the test. */
  constructor(t: TestContext) {
    this.#t = t;
    ip('netns', 'add', this.#name);
    t.after(() => ip('netns', 'del', this.#name));
    this.ip('link', 'set', 'lo', 'up');
    // `localhost` is 127.0.0.1 here, whichever of its addresses a program would have taken.
    ip(...this.#exec('sh', '-c', 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 || true'));
  }

  #exec(...command: string[]): string[] {
    return ['netns', 'exec', this.#name, ...command];
  }

  /** Lays a cable to another one; both of its ends are up. */
  cable(own: string, other: Namespace, others: string): void {
    ip('-n', this.#name, 'link', 'add', own, 'type', 'veth', 'peer', 'name', others, 'netns', other.#name);
    this.ip('link', 'set', own, 'up');
    other.ip('link', 'set', others, 'up');
  }

  /** ip(8) in it. */
  ip(...args: string[]): void {
    ip('-n', this.#name, ...args);
  }

  /** Starts a program, which ends with the test. */
  start(command: string, ...args: string[]): Command {
    return new Command(this.#t, program('ip'), this.#exec(command, ...args));
  }

  /** What a shell does with the text; what that has written to stdout. */
  type(text: string): Promise<string> {
    return run('ip', this.#exec('bash', '-c', text));
  }
}
