import module from 'node:module';
import { main } from './cli.ts';
import { ownModule } from './own-file.ts';

/** What `import … from 'l7mp'` gives to a plugin: the l7mp that loads it, wherever the plugin's file lies. */
function servePluginImports(): void {
  const own = ownModule('index').href;
  // Node 20 has no registerHooks: there a plugin gets the l7mp that its own folder finds.
  module.registerHooks?.({
    resolve: (specifier, context, next) =>
      specifier === 'l7mp' ? { url: own, shortCircuit: true } : next(specifier, context),
  });
}

/** Under l7mp-proxy.js as a parent process: ends, in good order, when that process is gone. */
function followLauncher(): void {
  if (!process.env.L7MP_LAUNCHER) return;
  delete process.env.L7MP_LAUNCHER;
  const stop = () => process.kill(process.pid, 'SIGTERM');
  if (!process.connected) stop();
  process.once('disconnect', stop);
  process.channel?.unref();
}

followLauncher();
servePluginImports();
await main(process.argv.slice(2));
