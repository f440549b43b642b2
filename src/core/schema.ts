/** The schema parts that every protocol's and object's schema is made of. */
import Type, { type TObject, type TProperties } from 'typebox';

/** An object that takes no field that is not listed. */
export function strict<T extends TProperties>(properties: T, options: { description?: string } = {}): TObject<T> {
  return Type.Object(properties, { additionalProperties: false, ...options });
}

export const Name = Type.String({
  pattern: '^\\S+$',
  maxLength: 1024,
  description: 'One or more characters, none of them blank; unique among the objects of its kind.',
});

export const Port = Type.Integer({ minimum: 1, maximum: 65_535 });

export const Address = Type.String({ minLength: 1, maxLength: 4096 });

/** Where a cluster's connections come from. */
export const BindSchema = strict({
  address: Type.Optional(Address),
  port: Type.Optional(Port),
});

/** The specification of another protocol, for a protocol that stands on one; checked against that one's schema. */
export const TransportSpec = Type.Object(
  { protocol: Type.String() },
  { description: 'The specification of the protocol underneath.' },
);
