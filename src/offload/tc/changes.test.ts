/** What becomes of flows when the network around them changes. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { cable, later, noNamespaces, PATIENCE } from './testing.ts';
import { FAMILIES, type Scene, Stage } from './testing-stage.ts';

const SERVER = ['10.2.0.1/24', 'fd02::1/64'];
const PROXY = ['10.2.0.2/24', 'fd02::2/64'];

describe('the offload when the network changes', { skip: noNamespaces() }, () => {
  let stage: Stage;
  let spaces: Stage['spaces'];

  before(() => {
    stage = new Stage();
    spaces = stage.spaces;
  });
  afterEach(() => stage.clear());
  after(() => stage.remove());

  /** Where the next datagram of the client arrives that arrives at all. */
  async function way({ client, listen, server }: Scene): Promise<string> {
    const before = [listen.received.length, server.received.length] as const;
    for (const deadline = performance.now() + PATIENCE; performance.now() < deadline; await later(20)) {
      client.send(listen, 'where');
      if (server.received.length > before[1]) return 'kernel';
      if (listen.received.length > before[0]) return 'socket';
    }
    return 'nowhere';
  }

  /** Changes are noticed up to a second late. */
  async function comesToGo(scene: Scene, expected: string): Promise<void> {
    const deadline = performance.now() + PATIENCE;
    let last: string;
    do last = await way(scene);
    while (last !== expected && performance.now() < deadline);
    assert.equal(last, expected);
  }

  for (const addresses of FAMILIES) {
    const { family, server, local } = addresses;
    describe(`IPv${family}`, () => {
      it('follows a server whose MAC address changes', async () => {
        const scene = await stage.scene(addresses);
        await comesToGo(scene, 'kernel');
        spaces.server.ip('link', 'set', 'vs', 'address', `02:00:00:00:00:1${family}`);
        // It asks for our address, and so says its own.
        spaces.server.ip('neigh', 'flush', 'dev', 'vs');
        scene.server.send(scene.local, 'here');
        await scene.client.got(1);
        assert.equal(await way(scene), 'kernel');
      });

      it('follows the route to another interface, and back', async () => {
        const scene = await stage.scene(addresses);
        scene.server.echo();
        await comesToGo(scene, 'kernel');
        const own = family === 4 ? [] : [`${server}/128`];
        cable(spaces.server, 'vs2', own, spaces.proxy, 'vp3', []);
        spaces.server.ip('route', 'replace', local, 'dev', 'vs2', 'src', server);
        spaces.proxy.ip('route', 'replace', server, 'dev', 'vp3', 'src', local);
        const seen = stage.tap(spaces.server, 'vs2');
        const length = addresses.header + 8 + 'where'.length;
        for (const deadline = performance.now() + PATIENCE; ; ) {
          await comesToGo(scene, 'kernel');
          if (seen.packets().some((packet) => packet.length === length)) break;
          assert.ok(performance.now() < deadline, 'nothing took the new route');
        }
        spaces.proxy.ip('link', 'del', 'vp3');
        await comesToGo(scene, 'kernel');
      });

      it('leaves packets to the sockets while an interface is missing, and goes on where it is made anew', async () => {
        const scene = await stage.scene(addresses);
        await comesToGo(scene, 'kernel');
        spaces.proxy.ip('link', 'del', 'vp2');
        await comesToGo(scene, 'socket');
        cable(spaces.server, 'vs', SERVER, spaces.proxy, 'vp2', PROXY);
        await comesToGo(scene, 'kernel');
      });
    });
  }
});
