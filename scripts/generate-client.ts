/** Writes the client's types, packages/client/src/openapi.ts, or the file that is named: what openapi.yaml says, as TypeScript. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openApiDocument } from '../src/api/openapi.ts';
import { Registry } from '../src/core/registry.ts';
import { PROTOCOLS } from '../src/protocols.ts';
import { type Document, typesOf } from './openapi-types.ts';

const [file = join(import.meta.dirname, '..', 'packages', 'client', 'src', 'openapi.ts')] = process.argv.slice(2);
await writeFile(file, typesOf(openApiDocument(new Registry(PROTOCOLS)) as Document));
