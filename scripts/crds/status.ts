/** What the operator says of an object. */
import type { Schema } from './schema.ts';

const text = (description: string, maxLength: number): Schema => ({ type: 'string', description, maxLength });
const count = (description: string): Schema => ({ type: 'integer', description, minimum: 0 });

/** https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties */
const condition: Schema = {
  type: 'object',
  description: 'One condition.',
  properties: {
    type: text('Accepted, ResolvedRefs or Programmed.', 316),
    status: { type: 'string', description: 'Whether it holds.', enum: ['True', 'False', 'Unknown'] },
    reason: text('Why, in one word.', 1024),
    message: text('Why, for people.', 32_768),
    observedGeneration: count('The metadata.generation that this was said of.'),
    lastTransitionTime: { type: 'string', format: 'date-time', description: 'When `status` has changed.' },
  },
  required: ['type', 'status', 'reason', 'message', 'lastTransitionTime'],
};

export const statusSchema: Schema = {
  type: 'object',
  description: 'What has become of it; written by the operator.',
  properties: {
    conditions: {
      type: 'array',
      description:
        'Accepted: its content can be used. ResolvedRefs: what it refers to is there. Programmed: every proxy that it selects has it.',
      maxItems: 16,
      items: condition,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
    },
    proxies: {
      type: 'object',
      description: 'How many proxies it is for, and how many have it.',
      properties: {
        selected: count('The proxies that it is for.'),
        programmed: count('Those of them that have it as it is now.'),
        text: text('Both, as programmed/selected.', 64),
      },
      required: ['selected', 'programmed', 'text'],
    },
    children: {
      type: 'object',
      description: 'What objects with updateOwners, whose owner this is, have told.',
      properties: {
        applied: {
          type: 'object',
          description: 'By full name, the generation of the object that is on every proxy.',
          maxProperties: 1024,
          additionalProperties: count('A generation.'),
        },
      },
    },
  },
};
