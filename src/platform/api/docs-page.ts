// /api/docs: the API document as a page to read; all of it is in the page, so that the browser's own search finds it.
import type { ErrorCode } from '../../vocabulary/errors.ts';
import { type Page, page } from '../http/page.ts';
import type { JsonSchema } from './json-schema.ts';
import { type ApiDocument, bodyName, type Operation } from './openapi.ts';
import { fieldsOf, type SchemaField, typeOf } from './schema-words.ts';

export interface ApiDocsModel {
  readonly version: string;
  readonly documentHref: string;
  readonly base: string;
  /** What every call may be refused with: said once. */
  readonly commonCodes: readonly string[];
  readonly groups: readonly { name: string; operations: readonly OperationModel[] }[];
  readonly schemas: readonly { name: string; fields: readonly SchemaField[] }[];
}

interface OperationModel {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly needs: string;
  readonly parameters: readonly SchemaField[];
  readonly body: Described | null;
  readonly replies: readonly (Described & { status: string })[];
  /** By status. */
  readonly failures: readonly { status: string; codes: readonly string[] }[];
}

interface Described {
  /** A schema of the list below, or words. */
  readonly type: string;
  readonly fields: readonly SchemaField[];
}

export function docsPage(deps: { document: () => ApiDocument; version: string; issuer: string }): Page {
  let model: ApiDocsModel | undefined;
  return page({
    method: 'GET',
    path: '/api/docs',
    limit: 'page',
    run({ t }) {
      model ??= modelOf(deps.document(), deps);
      return { kind: 'view', view: 'api-docs', title: t('apiDocs.title'), model, fixed: true };
    },
  });
}

function modelOf(
  document: ApiDocument,
  { version, issuer }: { version: string; issuer: string },
): ApiDocsModel {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  // Each is shown with its operation.
  const bodies = new Set(operations.map(({ operation }) => bodyName({ operation: operation.operationId })));
  return {
    version,
    base: issuer,
    commonCodes: COMMON,
    documentHref: `${issuer}/api/v1/openapi.json`,
    groups: document.tags.map(({ name }) => ({
      name,
      operations: operations
        .filter(({ operation }) => operation.tags.includes(name))
        .map(({ path, method, operation }) => operationModel(document, { path, method, operation })),
    })),
    schemas: Object.entries(document.components.schemas)
      .filter(([name]) => !bodies.has(name))
      .map(([name, schema]) => ({ name, fields: fieldsOf(schema) }))
      .sort((a, b) => a.name.localeCompare(b.name, 'en')),
  };
}

function operationModel(
  { components: { schemas } }: ApiDocument,
  { path, method, operation }: { path: string; method: string; operation: Operation },
): OperationModel {
  const answers = Object.entries(operation.responses);
  const name = bodyName({ operation: operation.operationId });
  const body = operation.requestBody === undefined ? undefined : schemas[name];
  return {
    id: operation.operationId,
    method: method.toUpperCase(),
    path,
    summary: operation.summary,
    needs: operation.description.replaceAll('`', ''),
    parameters: operation.parameters.map(({ name, in: place, required, schema, description }) => ({
      name,
      place,
      type: typeOf(schema),
      required,
      description: description ?? '',
    })),
    body: body === undefined ? null : describe(body),
    replies: answers
      .filter(([status]) => Number(status) < 400)
      .map(([status, { content }]) => {
        const schema = content?.['application/json']?.schema;
        return { status, ...(schema === undefined ? { type: '', fields: [] } : describe(schema)) };
      }),
    failures: answers
      .map(([status, response]) => ({ status, codes: (response['x-codes'] ?? []).filter(isItsOwn) }))
      .filter(({ codes }) => codes.length > 0),
  };
}

const COMMON = [
  'request_invalid',
  'body_malformed',
  'body_too_large',
  'content_type_unsupported',
  'authentication_required',
  'permission_denied',
  'rate_limited',
  'internal_error',
  'database_unavailable',
] as const satisfies readonly ErrorCode[];

function isItsOwn(code: string): boolean {
  return !COMMON.some((common) => common === code);
}

function describe(schema: JsonSchema): Described {
  return { type: typeOf(schema), fields: fieldsOf(schema) };
}
