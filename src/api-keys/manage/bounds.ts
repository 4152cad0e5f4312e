// What a new or changed key may be: within the policy of the server, within the key above it, and of permissions that its
// owner and whoever makes it hold themselves.
import type { z } from 'zod';
import { fieldsOf } from '../../lib/fields.ts';
import { rangesCover } from '../../lib/ip.ts';
import { compilePermissions, type PermissionSet } from '../../lib/permission.ts';
import type { Config } from '../../platform/config/load.ts';
import { failure } from '../../platform/errors.ts';
import type { KeyLimit } from '../../platform/limits/key-limits.ts';
import { permissions as vocabulary } from '../../vocabulary/permissions.ts';
import type { Effective, KnownKey } from '../schema.ts';

export type KeySettings = Config['apiKeys'];

const DAY_MILLISECONDS = 86_400_000;
const ownNames = Object.keys(vocabulary);

/** What must hold of the permissions that a key is given. */
export interface Handing {
  /** What the owner may do, within the keys above. */
  readonly owner: PermissionSet;
  /** What whoever makes it may do; undefined for an operator at the machine. */
  readonly maker?: PermissionSet | undefined;
  /** Of our own vocabulary, what the credential of the maker was given: less than its account may have. */
  readonly named?: readonly string[] | undefined;
}

/** Throws api_key_permission_not_held, naming what is too much. */
export function refuseUnheld(texts: readonly string[], { owner, maker, named }: Handing): void {
  const missing = texts.filter((text) => {
    if (!owner.covers(text) || maker?.covers(text) === false) return true;
    if (named === undefined) return false;
    const set = compilePermissions([text]);
    return ownNames.some((name) => set.covers(name) && !named.includes(name));
  });
  if (missing.length > 0) throw failure('api_key_permission_not_held', { permissions: missing });
}

/** When a key ends that was asked for with this expiry. Throws api_key_invalid, api_key_wider_than_parent. */
export function expiryOf(
  asked: Date | null | undefined,
  { settings, now, latest: above }: { settings: KeySettings; now: Date; latest: Date | null },
): Date | null {
  const { lifetimeDays, maximumLifetimeDays } = settings;
  const latest =
    maximumLifetimeDays === 0 ? null : new Date(now.getTime() + maximumLifetimeDays * DAY_MILLISECONDS);
  if (asked === undefined) {
    const usual = lifetimeDays === 0 ? null : new Date(now.getTime() + lifetimeDays * DAY_MILLISECONDS);
    return earliest(earliest(usual, latest), above);
  }
  if (asked !== null && asked <= now) throw invalid({ expiresAt: 'must be in the future' });
  if (latest !== null && (asked === null || asked > latest)) {
    throw invalid({
      expiresAt: `must be at most ${maximumLifetimeDays} days away (API_KEY_MAXIMUM_LIFETIME_DAYS)`,
    });
  }
  if (above !== null && (asked === null || asked > above)) {
    throw wider({ expiresAt: `the key above it, or the one that asks, ends at ${above.toISOString()}` });
  }
  return asked;
}

export function earliest(one: Date | null, other: Date | null): Date | null {
  if (one === null || other === null) return one ?? other;
  return one < other ? one : other;
}

/** What of a key the keys above it bound beside permissions and expiry. */
type BoundedField = 'apis' | 'allowedAddresses' | 'constraints' | 'rateLimits' | 'claims';
export type Bounded = { readonly [Field in BoundedField]?: KnownKey[Field] | undefined };

/** Throws api_key_wider_than_parent, naming the fields. What is left out, or null, is what the parent has. */
export function refuseWider(
  wanted: Bounded,
  parent: Pick<Effective, 'apis' | 'constraints' | 'chain'>,
): void {
  const { apis, allowedAddresses, constraints = {}, rateLimits = [], claims = {} } = wanted;
  const fields: Record<string, string> = {};
  const strange = apis?.filter((audience) => parent.apis?.includes(audience) === false) ?? [];
  if (strange.length > 0) fields.apis = `the key above is not for ${strange.join(', ')}`;
  for (const above of parent.chain) {
    const lists = above.allowedAddresses;
    const outside =
      lists === null ? [] : (allowedAddresses ?? []).filter((range) => !rangesCover(lists, range));
    if (outside.length > 0) fields.allowedAddresses = `the key above does not allow ${outside.join(', ')}`;
    for (const limit of rateLimits) {
      if (isFaster(limit, above.rateLimits)) fields.rateLimits = `the key above allows less per ${limit.per}`;
    }
  }
  for (const [name, values] of Object.entries(constraints)) {
    const more = values.filter((value) => parent.constraints[name]?.includes(value) === false);
    if (more.length > 0) fields[`constraints.${name}`] = `the key above does not allow ${more.join(', ')}`;
  }
  if (Object.keys(claims).length > 0) fields.claims = 'a sub-key says what the first key of its family says';
  if (Object.keys(fields).length > 0) throw wider(fields);
}

function isFaster(limit: KeyLimit, above: readonly KeyLimit[]): boolean {
  return above.some(({ per, permits }) => per === limit.per && permits < limit.permits);
}

export const invalid = (fields: Record<string, string>) => failure('api_key_invalid', { fields });
const wider = (fields: Record<string, string>) => failure('api_key_wider_than_parent', { fields });

/** Throws permission_invalid or api_key_invalid, naming the fields. */
export function parse<Schema extends z.ZodType>(schema: Schema, input: z.input<Schema>): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const badPermission = parsed.error.issues.some(({ path }) => path[0] === 'permissions' && path.length > 1);
  throw failure(badPermission ? 'permission_invalid' : 'api_key_invalid', { fields: fieldsOf(parsed.error) });
}
