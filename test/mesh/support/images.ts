/** What an image brings beside its files, which are those of the machine and of the checkout. */

export interface Image {
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly workingDir: string;
  readonly env: Readonly<Record<string, string>>;
}

const BARE: Image = { entrypoint: [], command: [], workingDir: '/', env: {} };
const IN_APP = { ...BARE, workingDir: '/app' };

/** By the last part of the repository's name. Those of others have what the pod says. */
const IMAGES: Readonly<Record<string, Image>> = {
  l7mp: { ...IN_APP, entrypoint: ['node', 'l7mp-proxy.js'] },
  'l7mp-operator': { ...IN_APP, entrypoint: ['packages/operator/bin/l7mp-operator'] },
};

export function imageOf(reference: string): Image {
  const name =
    reference
      .replace(/@.*/, '')
      .replace(/:[^:/]*$/, '')
      .split('/')
      .at(-1) ?? '';
  return IMAGES[name] ?? BARE;
}
