/** Where the API server is, and how to be let in. */
import type { RequestOptions } from 'node:https';

export interface Access {
  /** With a path, where the API server is behind a gateway. */
  readonly server: URL;
  /** That of the kubeconfig's context, or of the pod. */
  readonly namespace: string | undefined;
  /** TLS and headers for a request; an agent where a proxy leads there. It may run a program, or ask for a token. */
  options(): Promise<RequestOptions>;
  /** The server did not accept what `options` gave: they are made anew. */
  refused(): void;
}
