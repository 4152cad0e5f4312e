// Whether an answer is one that the API document announces: its status, its type and every field of its body.
import { problemsOf, undocumented } from './json-schema.ts';

export interface ServedDocument {
  paths: Record<string, Record<string, ServedOperation>>;
}

export interface ServedOperation {
  operationId: string;
  security: readonly unknown[];
  parameters: readonly ServedParameter[];
  requestBody?: { required: boolean; content: Record<string, { schema: Record<string, unknown> }> };
  responses: Record<string, { content?: Record<string, { schema: Record<string, unknown> }> }>;
}

export interface ServedParameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required: boolean;
  schema: Record<string, unknown>;
}

export interface Answered {
  status: number;
  /** With or without parameters of its own. */
  type: string | null;
  /** Parsed where it is JSON; undefined: none. */
  body: unknown;
}

/** What the document does not say of this answer; empty when it says all of it. */
export function surprisesIn({ status, type, body }: Answered, operation: ServedOperation, root: unknown) {
  const response = operation.responses[String(status)];
  if (response === undefined) return [`${status} is not documented: ${JSON.stringify(body)}`];
  if (body === undefined) return response.content === undefined ? [] : [`${status} has no body`];
  const schema = response.content?.[type?.split(';')[0] ?? '']?.schema;
  if (schema === undefined) return [`${status} has a body of ${type}`];
  const extra = status < 300 ? undocumented(body, schema, root) : [];
  return [...problemsOf(body, schema, root), ...extra].map((problem) => `${status} ${problem}`);
}
