/** The schema parts that every protocol's and object's schema is made of. Only the control plane loads them. */
import Type, { type Static, type TObject, type TProperties, type TSchema } from 'typebox';

export { Type };

/**
 * An object that takes no field that is not listed.
 *
 * @example schema: strict({ port: Port, retries: Type.Optional(Type.Integer({ minimum: 0 })) }),
 */
export function strict<T extends TProperties>(properties: T, options: { description?: string } = {}): TObject<T> {
  return Type.Object(properties, { additionalProperties: false, ...options });
}

/**
 * The name of an object: 1 to 1,024 characters, none of them blank.
 *
 * @example strict({ group: Name })
 */
export const Name = Type.String({
  pattern: '^\\S+$',
  maxLength: 1024,
  description: 'One or more characters, none of them blank; unique among the objects of its kind.',
});

/**
 * A port, 1 to 65,535.
 *
 * @example strict({ port: Port })
 */
export const Port = Type.Integer({ minimum: 1, maximum: 65_535 });

/**
 * An IP address or a name, 1 to 4,096 characters; whether there is such a one shows when it is used.
 *
 * @example strict({ port: Port, address: Type.Optional(Address) })
 */
export const Address = Type.String({ minLength: 1, maxLength: 4096 });

/**
 * Where a cluster's connections come from.
 *
 * @example strict({ port: Port, bind: Type.Optional(BindSchema) })
 */
export const BindSchema = strict(
  {
    address: Type.Optional({
      ...Address,
      description: 'An IP address of this machine. Default: what the system chooses.',
    }),
    port: Type.Optional({ ...Port, description: 'A port of this machine. Default: what the system chooses.' }),
  },
  { description: 'Where its connections come from.' },
);

/**
 * The specification of another protocol, for a protocol that stands on one; checked against that one's schema.
 *
 * @example schema: strict({ transport: TransportSpec }), standsOn: { field: 'transport' },
 */
export const TransportSpec = Type.Object(
  { protocol: Type.String() },
  { description: 'The specification of the protocol underneath.' },
);

/**
 * The parts that schemas are made of: `Type` of TypeBox, `strict`, `Name`, `Port`, `Address`, `BindSchema` and
 * `TransportSpec`.
 *
 * @example const fields = ({ Type, Port }: SchemaParts) => ({ port: Type.Optional(Port) });
 */
export type SchemaParts = typeof import('./schema.ts');

/**
 * A schema, or the fields of one, or a function that makes it of its parts when it is asked for the first time: a worker,
 * which checks nothing, then neither makes it nor loads what it is made of.
 *
 * @example schema: ({ strict, Port }) => strict({ port: Port }),
 */
export type Made<T> = T | ((parts: SchemaParts) => T);

/**
 * The type of the values that fit a schema which a function makes.
 *
 * @example type ListenerSpec = StaticOf<typeof listenerSpec>;
 */
export type StaticOf<M extends (parts: SchemaParts) => TSchema> = Static<ReturnType<M>>;
