// Keys and tokens in an address: they stand in the logs of every program that the address passed.
import { API_KEY_PATTERN } from '../lib/api-key-format.ts';

const KEY = new RegExp(API_KEY_PATTERN.source.replace(/^\^|\$$/g, ''));
/** RFC 6750 §2.3, which OAuth 2.1 forbids, and what programs call keys. */
const NAMES = /^(access_token|api[-_]?key|x-api-key)$/i;

export interface Leak {
  /** Undefined when only the name of the parameter says that it is one. */
  readonly key: string | undefined;
}

/** `uri`: path and query, as they were sent. */
export function leakIn(uri: string): Leak | undefined {
  const key = KEY.exec(uri)?.[0] ?? KEY.exec(decoded(uri))?.[0];
  if (key !== undefined) return { key };
  const query = uri.indexOf('?');
  if (query === -1) return undefined;
  const names = [...new URLSearchParams(uri.slice(query + 1)).keys()];
  return names.some((name) => NAMES.test(name)) ? { key: undefined } : undefined;
}

/** Part by part: one that is no UTF-8 must not hide the others. */
function decoded(uri: string): string {
  return uri.replaceAll(/(?:%[0-9a-f]{2})+/gi, (part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
}
