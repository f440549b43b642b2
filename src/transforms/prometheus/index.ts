import { defineProtocol } from '../../core/protocol.ts';
import { errorAnswer, httpAnswerer } from '../http-answer.ts';

const METHODS = ['GET', 'HEAD'];

export const prometheus = defineProtocol({
  name: 'Prometheus',
  title: 'The metrics in the Prometheus text format, for HTTP sessions.',
  cluster: {
    schema: ({ strict }) => strict({}),
    kind: 'stream',
    virtual: true,
    management: true,
    open: (_spec, host) =>
      httpAnswerer(host, async ({ method }) => {
        if (!METHODS.includes(method))
          return errorAnswer(405, `${method} is not for metrics`, { allow: METHODS.join(', ') });
        const { type, text } = await host.services.metrics();
        return { status: 200, headers: { 'content-type': type }, body: text };
      }),
  },
});
