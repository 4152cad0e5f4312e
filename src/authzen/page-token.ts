// The token of the next page of a search: where it goes on, and for which question. Sealed, for it may name what was not found.
import { hash } from 'node:crypto';
import type { Seal } from '../platform/secrets/seal.ts';

export interface Place {
  /** The last one that was looked at; everything after it is still to come. */
  readonly after: string;
  /** How many results the first page asked for. */
  readonly limit: number;
}

export interface PageTokens {
  /** `question` is all that must stay the same from page to page, in any order of fields. */
  make(place: Place, question: unknown): string;
  /** Undefined for what is no token of this question. */
  read(token: string, question: unknown): Place | undefined;
}

export function createPageTokens(seal: Seal): PageTokens {
  const contextOf = (question: unknown) => `page-token:${hash('sha256', canonical(question), 'base64url')}`;
  return {
    make: ({ after, limit }, question) =>
      seal.seal(Buffer.from(JSON.stringify([limit, after])), contextOf(question)).toString('base64url'),
    read(token, question) {
      const opened = seal.open(Buffer.from(token, 'base64url'), contextOf(question));
      if (opened === undefined) return undefined;
      // `as`: only `make` seals with this context.
      const [limit, after] = JSON.parse(opened.toString()) as [number, string];
      return { limit, after };
    },
  };
}

/** The same text for the same value, in whatever order its fields come. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  );
}
