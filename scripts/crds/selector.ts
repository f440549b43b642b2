/** Which pods are meant. */
import { bareName, namespaceName } from './references.ts';
import type { Check, Schema } from './schema.ts';

const VALUES: Check = {
  rule: "self.operator in ['In', 'NotIn'] ? has(self.values) && self.values.size() > 0 : !has(self.values) || self.values.size() == 0",
  message: 'values: In and NotIn need some, Exists and DoesNotExist take none',
  schema: {
    anyOf: [
      { properties: { operator: { enum: ['In', 'NotIn'] }, values: { minItems: 1 } }, required: ['values'] },
      { properties: { operator: { enum: ['Exists', 'DoesNotExist'] }, values: { maxItems: 0 } } },
    ],
  },
};

function requirements(description: string, key: string): Schema {
  return {
    type: 'array',
    description,
    maxItems: 32,
    items: {
      type: 'object',
      description: 'One condition.',
      properties: {
        key: { type: 'string', description: key, minLength: 1, maxLength: 317 },
        operator: {
          type: 'string',
          description: 'How the value compares with `values`.',
          enum: ['In', 'NotIn', 'Exists', 'DoesNotExist'],
        },
        values: {
          type: 'array',
          description: 'For In and NotIn.',
          maxItems: 64,
          items: { type: 'string', description: 'A value.', maxLength: 253 },
        },
      },
      required: ['key', 'operator'],
      checks: [VALUES],
    },
  };
}

/** `what`: which pods, for the description. */
export function selectorSchema(what: string): Schema {
  return {
    type: 'object',
    description: `${what} All that is given must hold; an empty selector takes every pod of the namespace.`,
    part: 'selector',
    properties: {
      matchLabels: {
        type: 'object',
        description: 'Labels that the pod has, with these values.',
        maxProperties: 64,
        additionalProperties: { type: 'string', description: 'The value of the label.', maxLength: 63 },
      },
      matchExpressions: requirements('Conditions on labels of the pod.', 'The key of a label.'),
      matchFields: requirements(
        'Conditions on fields of the pod.',
        'A dotted path into the pod, such as metadata.namespace or spec.nodeName.',
      ),
      matchNamespace: namespaceName('The namespace of the pods. Default: that of the object. Another one needs leave.'),
      matchService: bareName('The pods behind the Service of that name, in the namespace of the object.'),
    },
  };
}
