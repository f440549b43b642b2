/** Names within objects. */
import type { Schema } from './schema.ts';

/** Manifests for l7mp 0.5 have it in listeners and clusters. */
export const OLD_NAME: Schema = {
  type: 'string',
  description: 'Without effect: on the proxies it has the name of the object.',
  maxLength: 1024,
};
