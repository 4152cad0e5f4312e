// What a caller of the token, introspection and revocation endpoints proves itself with, before anything is looked up:
// an API key, a client's secret, or something that only the engine knows to judge.
import type { IncomingHttpHeaders } from 'node:http';
import { parseId } from '../../lib/ids.ts';
import { type Fields, only } from './form.ts';

export type Presented =
  | { readonly by: 'key'; readonly key: string; readonly named: string | undefined }
  | { readonly by: 'secret'; readonly clientId: string; readonly secret: string }
  /** RFC 6749 §2.3: more than one method, one of them a key. */
  | { readonly by: 'several' }
  | { readonly by: 'engine' };

const engine: Presented = { by: 'engine' };

export function presentedBy(headers: IncomingHttpHeaders, fields: Fields): Presented {
  const { authorization, 'x-api-key': header } = headers;
  const { client_secret: secret, client_assertion: assertion } = fields;
  const count = [authorization, header, secret, assertion].filter(
    (one) => one !== undefined && one !== '',
  ).length;
  if (header !== undefined) {
    if (count > 1) return { by: 'several' };
    return { by: 'key', key: String(header), named: only(fields.client_id) };
  }
  if (count !== 1) return engine;
  const pair = authorization === undefined ? pairOf(fields) : basicPair(authorization);
  if (pair === undefined) return engine;
  const [id, given] = pair;
  // RFC 6749 §2.3.1: a client_id beside the header has to be the same.
  if (fields.client_id !== undefined && fields.client_id !== '' && fields.client_id !== id) return engine;
  return isKeyId(id) ? { by: 'key', key: given, named: id } : { by: 'secret', clientId: id, secret: given };
}

export function isKeyId(id: string): boolean {
  return id.startsWith('key_') && parseId('key', id) !== undefined;
}

function pairOf(fields: Fields): [string, string] | undefined {
  const id = only(fields.client_id);
  const secret = only(fields.client_secret);
  return id === undefined || secret === undefined ? undefined : [id, secret];
}

/** Only what everybody spells alike; the engine judges the rest. */
function basicPair(authorization: string): [string, string] | undefined {
  const encoded = /^basic ([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)?.[1];
  if (encoded === undefined || encoded.length % 4 !== 0) return undefined;
  const text = Buffer.from(encoded, 'base64').toString();
  const colon = text.indexOf(':');
  if (colon < 1 || colon === text.length - 1) return undefined;
  try {
    const [id, secret] = [text.slice(0, colon), text.slice(colon + 1)].map(decoded);
    return id && secret ? [id, secret] : undefined;
  } catch {
    return undefined;
  }
}

/** RFC 6749 §2.3.1: both parts are form-encoded. */
function decoded(part: string): string {
  const text =
    part.includes('%') || part.includes('+') ? decodeURIComponent(part.replaceAll('+', '%20')) : part;
  if (!/^[\x20-\x7e]*$/.test(text)) throw new URIError('not a client id or secret');
  return text;
}
