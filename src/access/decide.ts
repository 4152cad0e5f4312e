// Whether facts allow an action on a resource, and why: pure, so that tokens, pages and the decision API answer alike.
import { compilePermissions, type Permission, parsePermission, selectorCovers } from '../lib/permission.ts';
import type { Decision, Facts, Reason, Resource } from './schema.ts';

/** `todo:update:@owner`: allowed where the property `owner` of the resource names the subject. */
const CONDITION = /^@[a-z0-9_.-]+$/i;
const WORD = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/i;
const MAXIMUM_DENIALS = 5;

/**
 * A resource is matched by its id and by `type:id`, so `files:read:files:*` is about every file. Without an id the question
 * is about all resources of the type.
 */
export function decide(
  facts: Pick<Facts, 'permissions' | 'sources' | 'identifiers'>,
  action: string,
  resource: Resource,
): Decision {
  if (!WORD.test(action) || !WORD.test(resource.type)) {
    return denied([
      {
        code: 'question_invalid',
        text: 'An action and the type of a resource are words of letters, digits, dots, dashes and underscores.',
      },
    ]);
  }
  const near: Reason[] = [];
  for (const text of facts.permissions.texts) {
    const permission = parsePermission(text);
    if (permission === undefined || !isAbout(permission, action, resource)) continue;
    const reason = judge(permission, text, facts, resource);
    if (reason.code.startsWith('permitted')) return { allowed: true, reasons: [reason] };
    if (near.length < MAXIMUM_DENIALS) near.push(reason);
  }
  if (near.length > 0) return denied(near);
  const text = `The subject holds no permission for ${resource.type}:${action}.`;
  return denied([{ code: 'no_permission', text }]);
}

export const unknownSubject: Decision = denied([
  {
    code: 'subject_unknown',
    text: 'There is no such subject, or it is suspended or disabled, or it is no member of the organization.',
  },
]);

function isAbout(permission: Permission, action: string, { type }: Resource): boolean {
  return (
    (permission.resource === '*' || permission.resource === type) &&
    (permission.action === '*' || permission.action === action)
  );
}

function judge(
  permission: Permission,
  text: string,
  facts: Pick<Facts, 'sources' | 'identifiers'>,
  resource: Resource,
): Reason {
  const origin = originOf(text, facts.sources);
  if (CONDITION.test(permission.selector)) {
    const property = permission.selector.slice(1);
    const value = ownProperty(resource.properties, property);
    return names(value, facts.identifiers)
      ? {
          code: 'permitted_by_property',
          text: `${text}${origin}: the ${property} of the resource is the subject.`,
        }
      : {
          code: 'property_mismatch',
          text: `${text}${origin} needs the subject to be the ${property} of the resource, and ${
            value === undefined || value === null ? 'it has none' : 'it is not'
          }.`,
        };
  }
  return isMatched(permission.selector, resource)
    ? { code: 'permitted', text: `${text}${origin}.` }
    : { code: 'other_resource', text: `${text}${origin} is for other resources.` };
}

function isMatched(selector: string, { type, id }: Resource): boolean {
  if (selector === '*') return true;
  if (id === undefined) return false;
  return selectorCovers(selector, id) || selectorCovers(selector, `${type}:${id}`);
}

/** Not what every object inherits: `@constructor` is no property of a resource. */
function ownProperty(properties: Record<string, unknown> | undefined, name: string): unknown {
  return properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined;
}

function names(value: unknown, identifiers: readonly string[]): boolean {
  const values: unknown[] = Array.isArray(value) ? value : [value];
  return values.some((one) => typeof one === 'string' && identifiers.includes(one));
}

function originOf(text: string, sources: Facts['sources']): string {
  const via = sources
    .filter(({ permission }) => permission === text || compilePermissions([permission]).covers(text))
    .map((source) => source.via);
  return via.length === 0 ? '' : ` from ${[...new Set(via)].join(', and ')}`;
}

function denied(reasons: readonly Reason[]): Decision {
  return { allowed: false, reasons };
}
