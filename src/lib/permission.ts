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

/** The scope string of a permission: the shortest text that parses to it. */
export function permissionText(permission: Permission): string {
  const { resource, action, selector } = permission;
  return selector === '*' ? `${resource}:${action}` : `${resource}:${action}:${selector}`;
}
