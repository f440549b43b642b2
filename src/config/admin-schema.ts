/** The schema of the proxy's own settings, as users write them: `admin`. */
import Type, { type Static } from 'typebox';
import { LEVELS } from '../core/log.ts';
import { strict } from '../core/schema.ts';

/** What the proxy says of itself beside its settings: taken, so that what was read can be sent back, and ignored. */
export const adminState = {
  version: Type.Optional(Type.String({ readOnly: true })),
  io_status: Type.Optional(
    Type.Object(
      {},
      { readOnly: true, description: 'The I/O engine that is used, and why; how many workers there are.' },
    ),
  ),
  offload_status: Type.Optional(
    Type.Object({}, { readOnly: true, description: 'Whether the kernel moves packets, or why not.' }),
  ),
  draining: Type.Optional(
    Type.Union([Type.Null(), Type.Object({})], {
      readOnly: true,
      description: 'Since when, until when, and how many sessions are left; null while sessions are taken.',
    }),
  ),
  warnings: Type.Optional(
    Type.Array(Type.String(), { readOnly: true, description: 'What is dangerous about the configuration as it is.' }),
  ),
};

const TokenSchema = strict({
  name: Type.String({ pattern: '^\\S+$', maxLength: 256, description: 'Who has it, as the log says.' }),
  token: Type.Optional(
    Type.String({
      pattern: '^([A-Za-z0-9._~+/-]+=*|<redacted>)$',
      maxLength: 4096,
      description: 'What clients send behind `Authorization: Bearer`. Reads `<redacted>`.',
    }),
  ),
  token_file: Type.Optional(
    Type.String({ minLength: 1, description: 'A file with the token, instead; what it holds now is what counts.' }),
  ),
  role: Type.Enum(['reader', 'admin'], { description: 'A reader may change nothing.' }),
});

const CertificateSchema = strict({
  subject: Type.Optional(
    Type.String({
      pattern: '=',
      maxLength: 4096,
      description: 'Attributes that its subject has, as `CN=ops,O=Example`.',
    }),
  ),
  san: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 4096,
      description:
        'One of its alternative names, as `DNS:ops.example`. Without its type (`DNS`, `URI`, `email`, `IP Address`): what it looks like.',
    }),
  ),
  role: Type.Enum(['reader', 'admin'], { description: 'A reader may change nothing.' }),
});

/** The limits of the whole proxy. */
export const LimitsSchema = strict({
  max_sessions: Type.Optional(
    Type.Integer({
      minimum: 0,
      description: 'Live sessions. Default one for each 16 KiB of `memory`, from 1,000 to 1,000,000.',
    }),
  ),
  max_connections: Type.Optional(
    Type.Integer({
      minimum: 0,
      description: 'Sockets of clients and endpoints. Default all descriptors but those that are reserved.',
    }),
  ),
  reserved_descriptors: Type.Optional(
    Type.Integer({
      minimum: 0,
      description:
        'Descriptors that traffic leaves free for the API, files and new listeners. Default 256, an eighth where there are few.',
    }),
  ),
  memory: Type.Optional(
    Type.Integer({
      minimum: 1 << 20,
      description:
        'Bytes of the process from which on no session is begun. Default four fifths of what the control group, or the machine, has.',
    }),
  ),
});

export const AdminSchema = strict({
  log_level: Type.Optional(Type.Enum([...LEVELS, 'silent'], { description: 'Default info.' })),
  log_file: Type.Optional(Type.String({ minLength: 1, description: '`stdout`, `stderr` or a path. Default stderr.' })),
  access_log_path: Type.Optional(
    Type.String({ minLength: 1, description: 'A file that gets one line for each ended session.' }),
  ),
  strict: Type.Optional(Type.Boolean({ description: 'Accepted; validation is always on.' })),
  offload: Type.Optional(
    Type.Enum(['init', 'no_init', 'disable'], { description: 'Kernel offload: on, on, or off, the default.' }),
  ),
  offload_ifs: Type.Optional(
    Type.Union([Type.String(), Type.Array(Type.String())], {
      description: 'Interfaces for offload: a list, names separated by commas, or `all`.',
    }),
  ),
  io: Type.Optional(
    Type.Enum(['auto', 'native', 'node'], { description: 'The I/O engine. Default auto: native where it can be.' }),
  ),
  threads: Type.Optional(
    Type.Union([Type.Integer({ minimum: 0, maximum: 64 }), Type.Literal('auto')], {
      description:
        'Workers, over which sessions are spread; 0: none beside the main thread; `auto`: one for each CPU. Default 1.',
    }),
  ),
  takeover: Type.Optional(
    Type.Boolean({
      description:
        'Take over from a process that was started so, without a gap: listen on what it listens on. At the start only. Default false.',
    }),
  ),
  plugins: Type.Optional(
    Type.Array(Type.String({ minLength: 1 }), {
      description: 'Modules or packages with protocols and transforms; in the start-up file only.',
    }),
  ),
  state: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'A file in which the configuration is kept as the API has left it: the next start goes on with that. In the start-up file only.',
    }),
  ),
  body_limit: Type.Optional(
    Type.Integer({
      minimum: 1024,
      maximum: 1 << 30,
      description: 'Bytes of a REST API request’s body at most. Default 1 MiB.',
    }),
  ),
  auth: Type.Optional(
    strict(
      {
        tokens: Type.Optional(Type.Array(TokenSchema, { minItems: 1 })),
        client_certificates: Type.Optional(
          Type.Array(CertificateSchema, {
            minItems: 1,
            description: 'Who may use it by a certificate that a listener has verified (`client_auth`).',
          }),
        ),
      },
      { description: 'Who may use the REST API. Default everybody; in the start-up file only.' },
    ),
  ),
  hosts: Type.Optional(
    Type.Array(
      Type.String({
        pattern: '^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$',
        maxLength: 255,
        description: 'A name without scheme and port.',
      }),
      {
        description:
          'Names by which clients reach the REST API, beside addresses and `localhost`; in the start-up file only.',
      },
    ),
  ),
  cors: Type.Optional(
    Type.Array(
      Type.String({
        pattern: '^https?://[^\\s/?#@*]+$',
        maxLength: 512,
        description: 'An origin: scheme, name and perhaps a port, as `https://dashboard.example`.',
      }),
      {
        description:
          'Origins whose pages may use the REST API from a browser. Default none; in the start-up file only.',
      },
    ),
  ),
  files: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'The directory below which the REST API may name files and sockets. Default that of temporary files; in the start-up file only.',
    }),
  ),
  allow_exec: Type.Optional(
    Type.Boolean({
      description:
        'Whether the REST API may make what runs programs (STDIO-fork). Default false; in the start-up file only.',
    }),
  ),
  limits: Type.Optional(LimitsSchema),
  ...adminState,
});

export type AdminInput = Static<typeof AdminSchema>;
