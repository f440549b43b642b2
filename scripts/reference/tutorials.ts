/** What readers of the tutorials paste: the files that the end-to-end tests of the mesh paste. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '..', '..', 'test', 'mesh', 'tutorials');

const NAMES = ['kube-dns', 'sidecar', 'dns-pods', 'dns', 'transcoder-pods', 'transcoder', 'transcoder-linked'];

export function tutorialBlocks(): [name: string, text: string][] {
  return NAMES.map((name) => {
    const text = readFileSync(join(FOLDER, `${name}.yaml`), 'utf8').trim();
    // In quotes, or the shell would look for variables in it.
    return [`tutorial-${name}`, `\`\`\`sh\nkubectl apply -f - <<'EOF'\n${text}\nEOF\n\`\`\``];
  });
}
