import { defineProtocol } from '../../core/protocol.ts';
import { httpAnswerer } from '../http-answer.ts';

export const controller = defineProtocol({
  name: 'L7mpController',
  title: 'The REST API, for HTTP sessions.',
  cluster: {
    schema: ({ strict }) => strict({}),
    kind: 'stream',
    virtual: true,
    management: true,
    control: true,
    open: (_spec, host) => httpAnswerer(host, (request) => host.services.api(request)),
  },
});
