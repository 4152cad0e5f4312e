// What a route answers: built through its schema, so that what the schema does not name is not sent; kept, and sent.
import { hash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Context } from 'koa';
import { z } from 'zod';
import { isAnswer, type Route } from './route.ts';
import { etagOf } from './versions.ts';

/** An answer that is ready to be sent, now or again. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text; null for an answer without a body. */
  readonly body: string | null;
}

export function replyOf(route: Route, result: unknown): Reply {
  const answered = isAnswer(result) ? result : { status: onlyStatus(route), body: result, headers: {} };
  const schema = route.reply[answered.status];
  if (schema === undefined) {
    throw new Error(`${route.method} ${route.path} does not declare ${answered.status}`);
  }
  const body = schema.parse(answered.body);
  const etag = route.versioned === true ? etagOf(body) : undefined;
  const headers = etag === undefined ? answered.headers : { ...answered.headers, ETag: etag };
  // Serialised here and not by Koa, so that a value JSON cannot hold fails inside our error handling.
  return { status: answered.status, headers, body: body === undefined ? null : JSON.stringify(body) };
}

/** The reply of a fixed route: asked for again it is not sent again, unless it changed with a new release. */
export function fixedReply(reply: Reply): Reply {
  const etag = `"${hash('sha256', reply.body ?? '', 'base64url').slice(0, 22)}"`;
  return { ...reply, headers: { ...reply.headers, ETag: etag, 'Cache-Control': 'public, max-age=300' } };
}

export function sendReply(ctx: Context, route: Pick<Route, 'fixed'>, reply: Reply): void {
  for (const [name, value] of Object.entries(reply.headers)) ctx.res.setHeader(name, value);
  // In this order: Koa turns the status to 204 when the body is taken away.
  if (reply.body === null) ctx.body = null;
  ctx.status = reply.status;
  if (reply.body === null) return;
  if (route.fixed === true && ctx.fresh) {
    ctx.status = 304;
    return;
  }
  ctx.type = 'application/json';
  ctx.body = reply.body;
}

/** The only reply of a route with `csv`. */
export const csvReply = z.custom<AsyncIterable<string>>();

/** What fails before the first line is answered like any failure; afterwards the connection breaks off. */
export function sendCsv(ctx: Context, lines: AsyncIterable<string>): void {
  ctx.status = 200;
  ctx.type = 'text/csv; charset=utf-8';
  ctx.body = Readable.from(lines);
}

function onlyStatus(route: Route): number {
  const statuses = Object.keys(route.reply);
  if (statuses.length !== 1)
    throw new Error(`${route.method} ${route.path} must say which status it answers`);
  return Number(statuses[0]);
}
