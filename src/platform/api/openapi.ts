// The API document (OpenAPI 3.1), made from the route values: what is mounted is what is documented.
import type { z } from 'zod';
import { strictly } from '../http/input.ts';
import { takesKey } from './idempotency.ts';
import { createSchemaBook, type JsonSchema, type SchemaBook } from './json-schema.ts';
import { type Content, failuresOf, problem, type Response, repliesOf } from './openapi-answers.ts';
import { pathOf, type Route } from './route.ts';
import { needsVersion } from './versions.ts';

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly description?: string;
  readonly schema: JsonSchema;
}

export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, Response>>;
}

export interface ApiDocument {
  readonly openapi: '3.1.0';
  readonly info: object;
  readonly servers: readonly { readonly url: string }[];
  readonly tags: readonly { readonly name: string; readonly description?: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly securitySchemes: object;
  };
}

export interface ApiDocumentDeps {
  issuer: string;
  version: string;
  /** Permission → sentence: the scopes of the API. */
  permissions: Readonly<Record<string, string>>;
  /** First part of a path → sentence. */
  subjects: Readonly<Record<string, string>>;
}

const INTRODUCTION =
  'A credential may be bound to an organization: a key of it or made in it, or a token with `org_id`. It comes to the ' +
  'operations that say so, and there to its own organization alone: any other is answered `organization_not_found`, as if ' +
  'it did not exist, and every other operation `organization_bound`.';

export function apiDocument(routes: readonly Route[], deps: ApiDocumentDeps): ApiDocument {
  const book = createSchemaBook();
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of routes) {
    const path = pathOf(route).replace(/:(\w+)/g, '{$1}');
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = operationOf(route, book);
  }
  const tags = [...new Set(routes.map(tagOf))].map((name) => ({ name, ...about(deps.subjects[name]) }));
  return {
    openapi: '3.1.0',
    info: {
      title: 'Management API',
      version: deps.version,
      summary: 'Accounts, clients, APIs and everything else an operator looks after.',
      description: INTRODUCTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: deps.issuer }],
    tags,
    paths,
    components: {
      schemas: { ...book.named, Problem: problem },
      securitySchemes: securitySchemes(deps),
    },
  };
}

function operationOf(route: Route, book: SchemaBook): Operation {
  const body = strictly(route.body);
  return {
    operationId: route.operation,
    tags: [tagOf(route)],
    summary: route.summary,
    description: `${permissionSentence(route)}${tenancySentence(route)}`,
    security: securityOf(route),
    parameters: [
      ...parametersOf('path', route.params, book),
      ...parametersOf('query', strictly(route.query), book),
      ...headersOf(route),
    ],
    ...(body === undefined ? {} : { requestBody: requestBody(route, body, book) }),
    responses: { ...repliesOf(route, book), ...failuresOf(route) },
  };
}

/** The first part of the path: what the route is about. */
function tagOf({ path }: Route): string {
  return path.split('/')[1] ?? '';
}

function about(description: string | undefined): { description?: string } {
  return description === undefined ? {} : { description };
}

function permissionSentence({ permission }: Route): string {
  if (permission === 'public') return 'Open to everybody.';
  return permission === 'authenticated'
    ? 'Needs any valid token.'
    : `Needs the permission \`${permission}\`.`;
}

/** Only what opens a route to them is said: everywhere else they are refused, as the document says once at its head. */
function tenancySentence({ permission, tenancy }: Route): string {
  if (permission === 'public' || tenancy !== 'organization') return '';
  return ' Open to callers that are bound to an organization, for what is of that organization.';
}

function securityOf({ permission }: Route): Operation['security'] {
  if (permission === 'public') return [];
  const scopes = permission === 'authenticated' ? [] : [permission];
  return [{ oauth: scopes }, { bearer: scopes }, { ownerKey: [] }];
}

function parametersOf(place: 'path' | 'query', schema: z.ZodType | undefined, book: SchemaBook): Parameter[] {
  if (schema === undefined) return [];
  // `as`: the schemas of paths and queries are objects.
  const { properties = {}, required = [] } = book.input(schema) as {
    properties?: Record<string, JsonSchema>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...own }]) => ({
    name,
    in: place,
    required: required.includes(name),
    ...(typeof description === 'string' ? { description } : {}),
    schema: own,
  }));
}

function headersOf(route: Route): Parameter[] {
  const headers: Parameter[] = [];
  if (needsVersion(route)) {
    const description = 'The ETag of the version that is meant, or `*` for whatever it is now.';
    headers.push({ name: 'If-Match', in: 'header', required: true, description, schema: { type: 'string' } });
  }
  if (takesKey(route)) {
    const description =
      'Sent again with the same key within a day, the request is answered as it was the first time.';
    const schema = { type: 'string', minLength: 1, maxLength: 255 };
    headers.push({ name: 'Idempotency-Key', in: 'header', required: false, description, schema });
  }
  return headers;
}

/** ChangeAccountBody: generated clients name their types by it. */
export function bodyName({ operation }: Pick<Route, 'operation'>): string {
  return `${operation.charAt(0).toUpperCase()}${operation.slice(1)}Body`;
}

function requestBody(route: Route, body: z.ZodType, book: SchemaBook) {
  const types = ['application/json', ...(route.method === 'PATCH' ? ['application/merge-patch+json'] : [])];
  const schema = book.body(bodyName(route), body);
  return {
    required: !body.safeParse(undefined).success,
    content: Object.fromEntries(types.map((type) => [type, { schema }])),
  };
}

function securitySchemes({ issuer, permissions }: ApiDocumentDeps) {
  return {
    oauth: {
      type: 'oauth2',
      description: `Ask for tokens with \`resource=${issuer}/api\` and the permissions as scopes.`,
      flows: {
        authorizationCode: {
          authorizationUrl: `${issuer}/authorize`,
          tokenUrl: `${issuer}/token`,
          scopes: permissions,
        },
        clientCredentials: { tokenUrl: `${issuer}/token`, scopes: permissions },
      },
    },
    bearer: {
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'JWT',
      description: '`gatehouse login`, then `gatehouse token`.',
    },
    ownerKey: {
      type: 'apiKey',
      in: 'header',
      name: 'X-API-Key',
      description: 'The key of the owner, on a server that was started with AUTH_MODE=single_user.',
    },
  };
}
