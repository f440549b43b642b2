/** The configuration as the API has left it, in the file that `admin.state` names: how it is kept, and taken up again. */
import { isDeepStrictEqual } from 'node:util';
import type { Admin } from './admin.ts';
import type { AdminInput } from './config/admin-schema.ts';
import type { ConfigInput } from './config/schema.ts';
import { readState, unusableState, writeState } from './config/state.ts';
import { asL7mpError } from './core/errors.ts';
import type { Log } from './core/log.ts';
import type { Definition } from './model/definitions.ts';
import { applyForm } from './reconcile/apply-form.ts';
import { confinedOf } from './reconcile/confine.ts';

export interface Kept {
  readonly config: ConfigInput;
  /** As in `State`. */
  readonly confined: readonly string[];
}

/** What was kept, checked; undefined where nothing was. Rejects with E_FILE where it is of no use. */
export async function readKept(
  path: string | undefined,
  check: (config: unknown) => ConfigInput,
  log: Log,
): Promise<Kept | undefined> {
  const kept = path === undefined ? undefined : await readState(path);
  if (kept === undefined) return undefined;
  log.write('notice', 'l7mp', `goes on with the state in ${path}, in place of the configuration file`);
  try {
    return { config: check(kept.config), confined: kept.confined };
  } catch (error) {
    throw unusableState(path as string, asL7mpError(error).message);
  }
}

/** What the command line says is for this run: what was `before` it is kept. */
export function stateKeeper(
  path: string,
  admin: Admin,
  { overrides, before }: { readonly overrides: AdminInput; readonly before: AdminInput },
): (definitions: readonly Definition[]) => Promise<void> {
  const settings = (): AdminInput => {
    const said = Object.entries(admin.settable()).filter(
      ([field, value]) => !isDeepStrictEqual(value, overrides[field as keyof AdminInput]),
    );
    return { ...before, ...Object.fromEntries(said) };
  };
  return (definitions) =>
    writeState(path, {
      config: { admin: settings(), ...applyForm(definitions) },
      confined: [...admin.confined, ...confinedOf(definitions)],
    });
}
