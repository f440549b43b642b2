/** A worker with a data plane that only remembers, and does what the names of objects say. */
import { type MessagePort, parentPort } from 'node:worker_threads';
import type { Step } from '../model/step.ts';
import { serve } from './serve.ts';
import { FakePlane } from './testing.ts';

class ObedientPlane extends FakePlane {
  override async release(steps: readonly Step[]): Promise<void> {
    await super.release(steps);
    for (const { after } of steps) await this.#obey(after?.name);
  }

  async #obey(word: string | undefined): Promise<void> {
    switch (word) {
      case 'throw':
        setImmediate(() => {
          throw new Error('as it was told');
        });
        break;
      case 'exit':
        process.exit(3);
        break;
      case 'hang':
        for (;;);
    }
  }
}

serve(parentPort as MessagePort, async ({ control, binder }) => {
  const plane = new ObedientPlane();
  const bound = await binder.bindStream({ host: '127.0.0.1', port: 1 });
  control.log([{ level: 'info', object: 'fake', message: `bound ${bound.fd}`, length: 7 }]);
  control.ended([{ session: 's' }]);
  plane.ids = [bound.fd];
  return plane;
});
