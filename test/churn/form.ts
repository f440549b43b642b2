/** A configuration as `GET /config?form=apply` gives it, in so far as it is changed here. */

export type List = 'listeners' | 'rulelists' | 'rules' | 'routes' | 'clusters';
export const LISTS: readonly List[] = ['listeners', 'rulelists', 'rules', 'routes', 'clusters'];

export interface Named {
  readonly name: string;
  [field: string]: unknown;
}

export type Form = Record<List, Named[]>;

/** The word for one of them, which wraps it in a body. */
export const kindOf = (list: List): string => list.slice(0, -1);

export function find(form: Form, list: List, name: string): Named | undefined {
  return form[list].find((object) => object.name === name);
}

/** Puts it at the place of the one that has its name, else at the end. */
export function put(form: Form, list: List, object: Named): void {
  const at = form[list].findIndex(({ name }) => name === object.name);
  if (at < 0) form[list].push(object);
  else form[list][at] = object;
}

export function remove(form: Form, list: List, name: string): void {
  form[list] = form[list].filter((object) => object.name !== name);
}
