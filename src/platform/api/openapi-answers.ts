// What a route may answer, for the API document: its replies, and its failures by status.
import { z } from 'zod';
import { type ErrorCode, errors } from '../../vocabulary/errors.ts';
import { takesKey } from './idempotency.ts';
import type { JsonSchema, SchemaBook } from './json-schema.ts';
import type { Route } from './route.ts';
import { needsVersion } from './versions.ts';

export interface Content {
  readonly [type: string]: { readonly schema: JsonSchema };
}

export interface Response {
  readonly description: string;
  readonly headers?: Readonly<Record<string, { description: string; schema: JsonSchema }>>;
  readonly content?: Content;
  /** Of a failure: what `code` may be. An extension of the document. */
  readonly 'x-codes'?: readonly string[];
}

const STATUSES: Readonly<Record<number, string>> = {
  200: 'Done.',
  201: 'Made.',
  202: 'Accepted.',
  204: 'Done.',
};

export function repliesOf(route: Route, book: SchemaBook): Record<string, Response> {
  const text = (description: string) => ({ description, schema: { type: 'string' } });
  const replies = Object.entries(route.reply).map(([status, schema]): [string, Response] => {
    const hasBody = !(schema instanceof z.ZodVoid);
    const headers = {
      ...(route.versioned === true && hasBody ? { ETag: text('The version, for If-Match.') } : {}),
      ...(route.versioned === true && status === '201'
        ? { Location: text('The address of what was made.') }
        : {}),
      ...(takesKey(route)
        ? { 'Idempotency-Replayed': text('`true` when the answer is that of an earlier request.') }
        : {}),
    };
    return [
      status,
      {
        description: STATUSES[Number(status)] ?? 'Answered.',
        ...(Object.keys(headers).length > 0 ? { headers } : {}),
        ...(hasBody ? { content: contentOf(route, schema, book) } : {}),
      },
    ];
  });
  return Object.fromEntries(replies);
}

function contentOf(route: Route, schema: z.ZodType, book: SchemaBook): Content {
  if (route.csv === true) return { 'text/csv': { schema: { type: 'string' } } };
  return { 'application/json': { schema: book.output(schema) } };
}

/** What the pipeline may refuse, and what the route itself says it may throw: by status, each code once. */
export function failuresOf(route: Route): Record<string, Response> {
  const byStatus = Map.groupBy(
    new Set([...pipelineErrors(route), ...(route.errors ?? [])]),
    (code) => errors[code].status,
  );
  return Object.fromEntries(
    [...byStatus]
      .sort(([a], [b]) => a - b)
      .map(([status, codes]) => [
        String(status),
        {
          'x-codes': codes,
          description: codes.map((code) => `\`${code}\`: ${errors[code].sentence}`).join('\n\n'),
          content: {
            'application/problem+json': {
              schema: {
                allOf: [{ $ref: '#/components/schemas/Problem' }, { properties: { code: { enum: codes } } }],
              },
            },
          },
        },
      ]),
  );
}

function pipelineErrors(route: Route): ErrorCode[] {
  return [
    'request_invalid',
    // Whatever may have a body is read, if only to see that there is nothing in it.
    ...(route.method === 'GET' ? [] : bodyErrors),
    'credential_in_url',
    ...(route.permission === 'public' ? [] : (['authentication_required'] as const)),
    ...(route.permission === 'public' || route.permission === 'authenticated'
      ? []
      : (['permission_denied'] as const)),
    ...(route.sensitive ? (['insufficient_user_authentication'] as const) : []),
    ...tenancyErrors(route),
    ...(needsVersion(route) ? (['precondition_required', 'version_conflict'] as const) : []),
    ...(takesKey(route) ? keyErrors : []),
    'rate_limited',
    'internal_error',
    'database_unavailable',
  ];
}

/** As tenancy.ts refuses: by what the path, the query and the body can name. */
function tenancyErrors({ permission, tenancy, path, query, body }: Route): ErrorCode[] {
  if (permission === 'public') return [];
  if (tenancy !== 'organization') return ['organization_bound'];
  if (namesOrganization(body)) return ['organization_bound', 'organization_not_found'];
  return path.includes(':organizationId') || namesOrganization(query) ? ['organization_not_found'] : [];
}

function namesOrganization(schema: z.ZodType | undefined): boolean {
  return schema instanceof z.ZodObject && 'organizationId' in schema.shape;
}

const bodyErrors = ['body_malformed', 'body_too_large', 'content_type_unsupported'] as const;
const keyErrors = ['idempotency_key_in_use', 'idempotency_answer_lost', 'idempotency_key_reused'] as const;

/** RFC 9457, as platform/http/errors.ts makes it. */
export const problem: JsonSchema = {
  type: 'object',
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', description: 'Never changes its meaning.' },
    detail: { type: 'string' },
    fields: {
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'Field → what is wrong with it.',
    },
    requestId: { type: 'string' },
  },
  required: ['type', 'title', 'status', 'code', 'requestId'],
};
