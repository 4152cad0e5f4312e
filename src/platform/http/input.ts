// Reads what a client sent (JSON, form, query, path) into plain values, refusing what is malformed, then runs the schemas.
import type { IncomingMessage } from 'node:http';
import type { Context } from 'koa';
import { z } from 'zod';
import { failure } from '../errors.ts';

const DEEPEST_JSON = 32;
const MOST_FIELDS = 200;

/** The JSON value, or undefined when there is no body. 415 for another type, 413 when too large, 400 when broken. */
export async function readJson(
  ctx: Context,
  limitBytes: number,
  alsoTypes: readonly string[] = [],
): Promise<unknown> {
  if (!hasBody(ctx.req)) return undefined;
  requireType(ctx, 'application/json', ...alsoTypes);
  const text = await readText(ctx, limitBytes);
  if (text === '') return undefined;
  return jsonOf(text);
}

/** Throws body_malformed, and request_invalid for what cannot be stored. */
export function jsonOf(text: string): unknown {
  const value = parseJson(text);
  refuseUnusable(value);
  return value;
}

/** The fields of an HTML form. A repeated field is refused: two readers could each take another one of them. */
export async function readForm(ctx: Context, limitBytes: number): Promise<Record<string, string>> {
  if (!hasBody(ctx.req)) return {};
  requireType(ctx, 'application/x-www-form-urlencoded');
  return uniqueFields(await readText(ctx, limitBytes), 'body_malformed');
}

/** The same form as a query string, repeated fields and all, for whoever has rules of its own for them. */
export async function readFormAsQuery(ctx: Context, limitBytes: number): Promise<string> {
  if (!hasBody(ctx.req)) return '';
  requireType(ctx, 'application/x-www-form-urlencoded');
  const text = await readText(ctx, limitBytes);
  if (!isCleanEncoding(text)) throw failure('body_malformed');
  return new URLSearchParams(text).toString();
}

export function readQuery(ctx: Context): Record<string, string> {
  return ctx.querystring === '' ? {} : uniqueFields(ctx.querystring, 'request_invalid');
}

/** False for `%zz`, for bytes that are not UTF-8 and for a null byte; none of them names anything here. */
export function isCleanPath(path: string): boolean {
  if (!path.includes('%')) return !path.includes('\0');
  try {
    return !decodeURIComponent(path).includes('\0');
  } catch {
    return false;
  }
}

export function refuseNullBytes(values: Record<string, string>): void {
  for (const [name, value] of Object.entries(values)) {
    if (unusableText(value) || unusableText(name)) throw unusable(name);
  }
}

function uniqueFields(text: string, code: 'body_malformed' | 'request_invalid'): Record<string, string> {
  if (!isCleanEncoding(text)) throw failure(code);
  const fields = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) {
    if (fields.has(name)) throw failure('request_invalid', { fields: { [name]: 'Given more than once.' } });
    fields.set(name, value);
    if (fields.size > MOST_FIELDS) throw failure('request_invalid');
  }
  const values = Object.fromEntries(fields);
  refuseNullBytes(values);
  return values;
}

function isCleanEncoding(text: string): boolean {
  if (!text.includes('%')) return true;
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function hasBody(req: IncomingMessage): boolean {
  const length = req.headers['content-length'];
  return req.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

function requireType(ctx: Context, ...types: string[]): void {
  const [given = '', ...parameters] = (ctx.req.headers['content-type'] ?? '').toLowerCase().split(';');
  const charset = parameters.map((p) => p.trim()).find((p) => p.startsWith('charset='));
  const isUtf8 = charset === undefined || /^charset="?utf-8"?$/.test(charset);
  const encoding = ctx.req.headers['content-encoding'] ?? 'identity';
  if (types.includes(given.trim()) && isUtf8 && encoding === 'identity') return;
  throw failure('content_type_unsupported', { accepted: types.join(', ') });
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

export async function readText(ctx: Context, limitBytes: number): Promise<string> {
  const bytes = await readBytes(ctx, limitBytes);
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw failure('body_malformed', {}, cause);
  }
}

/** Throws body_too_large for a body that itself says it is longer. */
export function refuseDeclaredSize(ctx: Context, limitBytes: number): void {
  if (Number(ctx.req.headers['content-length'] ?? 0) > limitBytes) throw tooLarge(ctx, limitBytes);
}

async function readBytes(ctx: Context, limitBytes: number): Promise<Buffer> {
  refuseDeclaredSize(ctx, limitBytes);
  const { req } = ctx;
  const chunks: Buffer[] = [];
  let size = 0;
  await new Promise<void>((resolve, reject) => {
    const done = (settle: () => void) => {
      req.off('data', take).off('end', end).off('close', lost).off('error', lost);
      settle();
    };
    const take = (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size <= limitBytes) return;
      req.pause();
      done(() => reject(tooLarge(ctx, limitBytes)));
    };
    const end = () => done(resolve);
    const lost = (cause?: Error) => done(() => reject(failure('body_malformed', {}, cause)));
    // Events and no iterator, which makes an error with its stack for every stream that it leaves.
    req.on('data', take).on('end', end).on('close', lost).on('error', lost);
    if (req.readableEnded || req.destroyed) done(req.readableEnded ? resolve : lost);
  });
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

/** The rest of the body is not worth reading, so the connection ends with the answer. */
function tooLarge(ctx: Context, limitBytes: number) {
  ctx.res.setHeader('Connection', 'close');
  return failure('body_too_large', { limitBytes });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw failure('body_malformed', {}, cause);
  }
}

/** Walks without recursion, since depth is what an attacker chooses. */
function refuseUnusable(root: unknown): void {
  const queue: { value: unknown; path: string; depth: number }[] = [{ value: root, path: '', depth: 0 }];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const { value, path, depth } = next;
    if (typeof value === 'string' && unusableText(value)) throw unusable(path);
    if (typeof value !== 'object' || value === null) continue;
    if (depth >= DEEPEST_JSON) throw failure('body_malformed', { deepestLevel: DEEPEST_JSON });
    for (const [key, inner] of Object.entries(value)) {
      if (key === '__proto__' || unusableText(key)) throw unusable(path);
      queue.push({ value: inner, path: path === '' ? key : `${path}.${key}`, depth: depth + 1 });
    }
  }
}

/** PostgreSQL can store neither a null byte nor half of a surrogate pair. */
function unusableText(text: string): boolean {
  return text.includes('\0') || !text.isWellFormed();
}

function unusable(path: string) {
  const name = unusableText(path) ? 'body' : path || 'body';
  return failure('request_invalid', { fields: { [name]: 'Holds a character that cannot be stored.' } });
}

export type Part = 'params' | 'query' | 'body';

/** Unknown fields are refused unless the schema says otherwise: a misspelt option must not pass as absent. */
export function strictly(schema: z.ZodType | undefined): z.ZodType | undefined {
  const isPlainObject = schema instanceof z.ZodObject && schema.def.catchall === undefined;
  return isPlainObject ? schema.strict() : schema;
}

export function parsePart(part: Part, schema: z.ZodType | undefined, value: unknown): unknown {
  if (schema === undefined) return refuseAnything(part, value);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw failure('request_invalid', { fields: fieldMessages(part, result.error) });
}

export function fieldMessages(part: string, error: z.ZodError): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const issue of error.issues) {
    const name = issue.path.length === 0 ? part : issue.path.map(String).join('.');
    fields[name] ??= issue.message;
  }
  return fields;
}

/** A route without a schema for this part takes nothing there. */
function refuseAnything(part: Part, value: unknown): undefined {
  if (value === undefined || typeof value !== 'object' || value === null || Array.isArray(value)) {
    if (value === undefined) return undefined;
    throw failure('request_invalid', { fields: { [part]: 'Nothing is expected here.' } });
  }
  const [first] = Object.keys(value);
  if (first === undefined) return undefined;
  throw failure('request_invalid', { fields: { [first]: `Not expected in the ${part}.` } });
}
