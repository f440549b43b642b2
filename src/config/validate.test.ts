import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Type from 'typebox';
import { L7mpError } from '../core/errors.ts';
import { defineProtocol, type Spec, type Transport } from '../core/protocol.ts';
import { Registry } from '../core/registry.ts';
import { strict, TransportSpec } from '../core/schema.ts';
import type { StandsOn } from '../core/stands-on.ts';
import { PROTOCOLS } from '../protocols.ts';
import { Validator } from './validate.ts';

/** What `check` of either side was told of the transport, latest last. */
const told: (Transport | undefined)[] = [];

/** A layer with such needs, whose transport may be left out. */
function layer(name: string, standsOn: StandsOn, kind: 'stream' | 'datagram' = 'stream') {
  const side = {
    schema: strict({ transport: Type.Optional(TransportSpec), bad: Type.Optional(Type.Boolean()) }),
    standsOn,
    kind,
    transport: true,
    check: ({ bad }: { bad?: boolean }, transport?: Transport) => {
      told.push(transport);
      if (bad) throw new L7mpError('E_INVALID', '/bad: so it is');
    },
  };
  const nothing = () => Promise.reject(new Error('not in this test'));
  return defineProtocol({
    name,
    title: name,
    listener: { ...side, sessionName: () => 's', listen: nothing },
    cluster: { ...side, open: nothing },
  });
}

const field = 'transport';

/** Some that others may stand on: what is refused names all that there are. */
const TRANSPORTS = ['UDP', 'TCP', 'UnixDomainSocket', 'WebSocket'];

const validator = new Validator(
  new Registry([
    ...PROTOCOLS.filter(({ name }) => TRANSPORTS.includes(name) || name === 'JSONSocket'),
    layer('Streams', { field, kind: 'stream' }),
    layer('Messages', { field, kind: 'datagram' }, 'datagram'),
    layer('Reliable', { field, lossy: false }),
    layer('Any', { field }, 'datagram'),
  ]),
);

const UDP = { protocol: 'UDP', port: 1 };
const TCP = { protocol: 'TCP', port: 1 };
const WEBSOCKET = { protocol: 'WebSocket', port: 1 };

const UNIX = { protocol: 'UnixDomainSocket', filename: '/run/x' };

const on = (protocol: string, transport: Spec): Spec => ({ protocol, transport });

/** Checks a specification as a listener's and as a cluster's. */
const CHECKS = {
  listener: (spec: Spec) => validator.listener({ name: 'l', spec, rules: [] }, '/listeners/0'),
  cluster: (spec: Spec) => validator.cluster({ name: 'c', spec }, '/clusters/0'),
};

for (const [role, check] of Object.entries(CHECKS)) {
  const at = `/${role}s/0/spec`;
  const refused = (spec: Spec, message: string) =>
    assert.throws(() => check(spec), { code: 'E_INVALID', message: `${at}${message}` });

  describe(`a layer of a ${role}`, () => {
    test('is refused on a transport of another kind, and those of its kind are named', () => {
      refused(
        on('Streams', UDP),
        '/transport/protocol: UDP cannot carry Streams: it is a datagram transport, and a stream one is needed; there are TCP, UnixDomainSocket, Streams, Reliable',
      );
      refused(
        on('Messages', TCP),
        '/transport/protocol: TCP cannot carry Messages: it is a stream transport, and a datagram one is needed; there are UDP, UnixDomainSocket, WebSocket, Messages, Any',
      );
    });

    test('is refused on a transport that loses messages, also through layers', () => {
      refused(
        on('Reliable', on('Any', UDP)),
        '/transport/protocol: Any cannot carry Reliable: it loses messages; there are TCP, UnixDomainSocket, WebSocket, Streams, Messages, Reliable, Any',
      );
      check(on('Reliable', on('Any', WEBSOCKET)));
    });

    test('is refused at any depth, with the whole path', () => {
      refused(
        on('JSONSocket', on('Any', on('Streams', WEBSOCKET))),
        '/transport/transport/transport/protocol: WebSocket cannot carry Streams: it is a datagram transport, and a stream one is needed; there are TCP, UnixDomainSocket, Streams, Reliable',
      );
    });

    test('is refused on what is no transport at all', () => {
      refused(on('Streams', on('JSONSocket', TCP)), '/transport/protocol: JSONSocket cannot carry another protocol');
    });

    test('is taken on what suits', () => {
      for (const spec of [on('Streams', TCP), on('Messages', UDP), on('Reliable', WEBSOCKET), on('JSONSocket', UDP)]) {
        check(spec);
      }
    });

    test('is told of the transport when it checks what the schema cannot', () => {
      check(on('Any', on('Any', UDP)));
      assert.deepEqual(told.slice(-2), [
        { protocol: 'UDP', kind: 'datagram', lossy: true },
        { protocol: 'Any', kind: 'datagram', lossy: true },
      ]);
      refused({ ...on('Any', UDP), bad: true }, '/bad: so it is');
    });

    test('has the fields of another protocol in place of a transport, or that, and not both', () => {
      check(WEBSOCKET);
      check(on('WebSocket', UNIX));
      refused({ protocol: 'WebSocket' }, '/port: missing');
      refused({ ...on('WebSocket', UNIX), port: 1 }, '/port: has no place beside transport');
      refused(
        on('WebSocket', UDP),
        '/transport/protocol: UDP cannot carry WebSocket: it is a datagram transport, and a stream one is needed; there are TCP, UnixDomainSocket, Streams, Reliable',
      );
    });

    test('may have no transport, where its schema says so', () => {
      check({ protocol: 'Streams' });
      assert.equal(told.at(-1), undefined);
    });
  });
}
