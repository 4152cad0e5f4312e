// Versions against lost updates: the version of a thing is its ETag, and a change names the one it was made for (RFC 9110 §13.1.1).
import { failure } from '../errors.ts';
import type { Route } from './route.ts';

/** A change or removal of a thing with a version says which one it means. */
export function needsVersion(route: Pick<Route, 'method' | 'versioned'>): boolean {
  return route.versioned === true && (route.method === 'PATCH' || route.method === 'DELETE');
}

/** Undefined for `*`. Throws precondition_required, version_conflict for what can match nothing, request_invalid for a list. */
export function versionOf(ifMatch: string | undefined): number | undefined {
  const text = ifMatch?.trim();
  if (text === undefined || text === '') throw failure('precondition_required');
  if (text === '*') return undefined;
  const [, digits] = /^"(\d{1,15})"$/.exec(text) ?? [];
  if (digits !== undefined) return Number(digits);
  if (text.includes(',')) throw failure('request_invalid', { fields: { 'If-Match': 'Name one ETag.' } });
  // Weak tags never match here (RFC 9110 §13.1.1), and neither does what was never ours.
  throw failure('version_conflict');
}

/** The ETag of an answer; undefined when its body has no version. */
export function etagOf(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !('version' in body)) return undefined;
  return typeof body.version === 'number' ? `"${body.version}"` : undefined;
}
