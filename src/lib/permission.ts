// The grammar of permissions: resource:action or resource:action:selector, `*` per segment; the same string is an OAuth scope.

export interface Permission {
  readonly resource: string;
  readonly action: string;
  /** `*` when absent. May itself hold colons: it is everything after the second one. */
  readonly selector: string;
}

// The characters an OAuth scope may have (RFC 6749 §3.3) are %x21 / %x23-5B / %x5D-7E: no space, quote or backslash.
// Resource and action are words, so that a typing mistake is refused when it is made and not found when it bites.
const WORD = /^(?:\*|[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)$/i;
const SELECTOR = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
const MAX_LENGTH = 200;

/** The parsed permission, or undefined when the text is not one. */
export function parsePermission(text: string): Permission | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const [resource, action, ...rest] = text.split(':');
  if (resource === undefined || action === undefined) return undefined;
  if (!WORD.test(resource) || !WORD.test(action)) return undefined;
  if (rest.length === 0) return { resource, action, selector: '*' };
  const selector = rest.join(':');
  // An empty segment is refused wherever it stands: `files:read:` and `files:read:a::b` are mistakes, not wildcards.
  if (!SELECTOR.test(selector) || rest.includes('')) return undefined;
  return { resource, action, selector };
}

/** What is wrong with a text that should be a permission, said so that it can be put right; undefined when nothing is. */
export function permissionProblem(text: string): string | undefined {
  if (parsePermission(text) !== undefined) return undefined;
  if (text.length > MAX_LENGTH) return `must not be longer than ${MAX_LENGTH} characters`;
  if (/\s/.test(text)) return 'must not hold a space: spaces stand between permissions, as in a scope';
  const [resource = '', action, ...rest] = text.split(':');
  if (action === undefined) return 'has the form resource:action or resource:action:selector';
  if ([resource, action, ...rest].includes('')) return 'must not have an empty segment; write * for all';
  const word = [resource, action].find((segment) => !WORD.test(segment));
  if (word === undefined)
    return 'must not hold a quote, a backslash or a letter beyond ASCII in its selector';
  return `has ${JSON.stringify(word)} where a word or * belongs: letters, digits, dots, dashes and underscores`;
}

/** The scope string of a permission: the shortest text that parses to it. */
export function permissionText(permission: Permission): string {
  const { resource, action, selector } = permission;
  return selector === '*' ? `${resource}:${action}` : `${resource}:${action}:${selector}`;
}

/** A set of permissions, parsed once. Every set built from the same texts behaves the same; none is ever changed. */
export interface PermissionSet {
  /** The shortest list that means the same, sorted. */
  readonly texts: readonly string[];
  /** Whether everything that the permission stands for is allowed. False for what is not a permission. */
  covers(permission: string | Permission): boolean;
  /** What both allow. */
  intersect(other: PermissionSet): PermissionSet;
  /** What either allows. */
  union(other: PermissionSet): PermissionSet;
}

/** Texts that are not permissions allow nothing; they are refused where they are written down. */
export function compilePermissions(texts: Iterable<string>): PermissionSet {
  const parsed: Permission[] = [];
  for (const text of texts) {
    const permission = parsePermission(text);
    if (permission !== undefined) parsed.push(permission);
  }
  return setOf(parsed);
}

/** Whether `wide` allows all that `narrow` stands for: each segment is a wildcard, or the same. */
export function permissionCovers(wide: Permission, narrow: Permission): boolean {
  return (
    (wide.resource === '*' || wide.resource === narrow.resource) &&
    (wide.action === '*' || wide.action === narrow.action) &&
    selectorCovers(wide.selector, narrow.selector)
  );
}

/**
 * Segment by segment: `*` stands for any one segment, and at the end for any number of them. `@owner` and the like are
 * conditions on the thing itself (access/decide.ts) and stand for themselves here.
 */
export function selectorCovers(wide: string, narrow: string): boolean {
  if (wide === '*' || wide === narrow) return true;
  const pattern = wide.split(':');
  const segments = narrow.split(':');
  for (const [at, part] of pattern.entries()) {
    const segment = segments[at];
    if (segment === undefined) return false;
    if (part === '*' && at === pattern.length - 1) return true;
    if (part !== '*' && part !== segment) return false;
    // A wildcard at the end of the narrower one stands for more than this one segment.
    if (segment === '*' && at === segments.length - 1) return false;
  }
  return segments.length === pattern.length;
}

function setOf(permissions: readonly Permission[]): PermissionSet {
  const kept = withoutCovered(permissions);
  const exact = new Set(kept.map(permissionText));
  const texts = [...exact].sort();
  const coversParsed = (narrow: Permission) => kept.some((wide) => permissionCovers(wide, narrow));
  const set: PermissionSet & { readonly [PARTS]: readonly Permission[] } = {
    [PARTS]: kept,
    texts,
    covers(permission) {
      if (typeof permission !== 'string') return coversParsed(permission);
      if (exact.has(permission)) return true;
      const parsed = parsePermission(permission);
      return parsed !== undefined && coversParsed(parsed);
    },
    intersect: (other) => setOf(kept.flatMap((one) => partsOf(other).flatMap((two) => common(one, two)))),
    union: (other) => setOf([...kept, ...partsOf(other)]),
  };
  return set;
}

const PARTS = Symbol('parts');

/** Every set is made by setOf. */
function partsOf(set: PermissionSet): readonly Permission[] {
  return (set as PermissionSet & { readonly [PARTS]: readonly Permission[] })[PARTS];
}

/** Of two that cover each other, which are the same, the first one stays. */
function withoutCovered(permissions: readonly Permission[]): Permission[] {
  return permissions.filter(
    (one, at) =>
      !permissions.some(
        (other, place) =>
          place !== at && permissionCovers(other, one) && (place < at || !permissionCovers(one, other)),
      ),
  );
}

function common(one: Permission, two: Permission): Permission[] {
  const resource = commonSegment(one.resource, two.resource);
  const action = commonSegment(one.action, two.action);
  const selector = commonSelector(one.selector, two.selector);
  if (resource === undefined || action === undefined || selector === undefined) return [];
  return [{ resource, action, selector }];
}

function commonSegment(one: string, two: string): string | undefined {
  if (one === '*' || one === two) return two;
  return two === '*' ? one : undefined;
}

/** A wildcard at the end stands for as many segments as the other one has there. */
function commonSelector(one: string, two: string): string | undefined {
  if (one === '*') return two;
  if (two === '*') return one;
  const [short, long] = [one.split(':'), two.split(':')].sort((a, b) => a.length - b.length) as [
    string[],
    string[],
  ];
  if (short.length < long.length && short.at(-1) !== '*') return undefined;
  const segments = long.map((segment, at) => commonSegment(short[at] ?? '*', segment));
  return segments.includes(undefined) ? undefined : segments.join(':');
}
