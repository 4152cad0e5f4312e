// The form of a protocol request, read before the engine and given back to it when the engine is to answer.
import type { IncomingMessage } from 'node:http';
import { type ParsedUrlQuery, parse, stringify } from 'node:querystring';
import { failure } from '../../platform/errors.ts';

export type Fields = ParsedUrlQuery;

export interface ReadForm {
  readonly fields: Fields;
  /** As if nobody had read it; with other fields in place of those that came, where they are given. */
  giveBack(instead?: Fields): void;
}

/** What oidc-provider reads of a body (lib/shared/selective_body.js). */
const LIMIT_BYTES = 56 * 1024;
const FORM = /^application\/x-www-form-urlencoded(?:\s*;\s*charset="?utf-8"?)?\s*$/i;

/**
 * undefined, with nothing read, for whatever is no plain form of a sane size: the engine knows what to say to it. Throws
 * when the connection ends in the middle.
 */
export async function readForm(req: IncomingMessage): Promise<ReadForm | undefined> {
  const { 'content-type': type = '', 'content-encoding': encoding } = req.headers;
  const length = req.headers['content-length'];
  const size = Number(length ?? LIMIT_BYTES);
  const hasBody = length !== undefined || req.headers['transfer-encoding'] !== undefined;
  if (!hasBody || !FORM.test(type) || encoding !== undefined || !(size > 0 && size <= LIMIT_BYTES))
    return undefined;
  const body = await readBytes(req, size);
  if (body === undefined && req.destroyed) throw failure('body_malformed');
  return body && { fields: parse(body.toString()), giveBack: (instead) => giveBack(req, body, instead) };
}

/** One value; undefined for none, for an empty one (RFC 6749 §3.2) and for several. */
export function only(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/**
 * A body whose length is known is put back at its last byte, which is the moment up to which a stream takes back what was
 * read: a tick later it has ended.
 */
function readBytes(req: IncomingMessage, size: number): Promise<Buffer | undefined> {
  const known = req.headers['content-length'] !== undefined;
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let received = 0;
    const done = (whole: boolean) => {
      req.off('data', take).off('end', end).off('close', lost).off('error', lost);
      const body = Buffer.concat(chunks, received);
      if (!req.readableEnded && !req.destroyed) req.pause().unshift(body);
      resolve(whole ? body : undefined);
    };
    const take = (chunk: Buffer) => {
      chunks.push(chunk);
      received += chunk.length;
      if (received >= size) done(known);
    };
    const end = () => done(true);
    const lost = () => done(false);
    req.on('data', take).on('end', end).on('close', lost).on('error', lost);
  });
}

function giveBack(req: IncomingMessage & { body?: string }, body: Buffer, instead: Fields | undefined): void {
  const bytes = instead === undefined ? body : Buffer.from(stringify(instead));
  if (req.readableEnded) {
    // Its length was not known. This is the other place where the engine looks.
    req.body = bytes.toString();
  } else if (bytes !== body) {
    req.headers['content-length'] = String(bytes.length);
    req.read();
    req.unshift(bytes);
  }
}
