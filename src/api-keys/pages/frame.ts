// What the pages of one's own API keys share: who acts and within what, how a page is told, and what was wrong in words.
import type { Access } from '../../access/access.ts';
import type { Apis } from '../../apis/apis.ts';
import type { Budgets } from '../../budgets/budgets.ts';
import type { Dates } from '../../lib/dates.ts';
import type { PermissionSet } from '../../lib/permission.ts';
import type { Organizations } from '../../organizations/organizations.ts';
import type { Idempotency } from '../../platform/api/idempotency.ts';
import type { Clock } from '../../platform/clock.ts';
import { type AppError, failure } from '../../platform/errors.ts';
import type { PageInput, PageResult, Person } from '../../platform/http/page.ts';
import type { Usage } from '../../usage/usage.ts';
import { type Permission, permissions as vocabulary } from '../../vocabulary/permissions.ts';
import { type ApiKeys, type Authority, owning, type ShownKey } from '../api-keys.ts';
import type { KeySettings } from '../manage/bounds.ts';

export interface KeyPageDeps {
  readonly apiKeys: Pick<
    ApiKeys,
    'list' | 'find' | 'familyOf' | 'create' | 'change' | 'rotate' | 'revoke' | 'disable' | 'enable'
  >;
  readonly access: Pick<Access, 'factsOf'>;
  readonly apis: Pick<Apis, 'list'>;
  readonly organizations: Pick<Organizations, 'membershipsOf' | 'known'>;
  readonly usage: Pick<Usage, 'report' | 'requestsSince'>;
  readonly budgets: Pick<Budgets, 'state'>;
  readonly clock: Clock;
  readonly idempotency: Pick<Idempotency, 'once'>;
  readonly config: { readonly apiKeys: KeySettings };
  /** The client of these pages themselves. */
  readonly ownClientId: string;
}

export const KEYS = '/account/keys';
export const pathOf = ({ id }: { readonly id: string }): string => `${KEYS}/${id}`;

export type KeyInput = Pick<PageInput<unknown, unknown, unknown>, 't' | 'locale'> & {
  readonly person: Person;
  readonly dates: Dates;
};

/** Which of the own permissions an act takes: the same ones as its route under /me. */
type Needed = Extract<Permission, `own-api-keys:${string}`>;

/** What the person may do, everywhere or in one of their organizations. */
export async function heldBy(
  { accountId }: Person,
  { access }: Pick<KeyPageDeps, 'access'>,
  organizationId: string | null,
): Promise<PermissionSet | undefined> {
  return (await access.factsOf({ kind: 'account', id: accountId }, organizationId))?.permissions;
}

/** The person as the routes under /me would find them. Throws permission_denied without the permission. */
export async function asThemselves(
  person: Person,
  needed: Needed,
  deps: Pick<KeyPageDeps, 'access' | 'ownClientId'>,
  organizationId: string | null = null,
): Promise<Authority> {
  const held = await heldBy(person, deps, organizationId);
  const permissions = Object.keys(vocabulary).filter((name) => held?.covers(name) === true);
  if (!permissions.includes(needed)) throw failure('permission_denied', { permission: needed });
  const { accountId } = person;
  return owning({
    kind: 'account',
    id: accountId,
    accountId,
    clientId: deps.ownClientId,
    organizationId,
    apiKeyId: null,
    permissions,
  });
}

/**
 * One of the person's keys, and who they are for it: whoever left its organization still looks at it and ends it, and gets
 * nothing else done. Throws api_key_not_found.
 */
export async function keyOf(
  person: Person,
  id: string,
  needed: Needed,
  deps: KeyPageDeps,
): Promise<{ key: ShownKey; as: Authority }> {
  const as = await asThemselves(person, needed, deps);
  const key = await deps.apiKeys.find(id, as);
  if (key === undefined) throw failure('api_key_not_found');
  const place = key.organizationId;
  const isMember = place !== null && (await heldBy(person, deps, place)) !== undefined;
  return { key, as: isMember ? await asThemselves(person, needed, deps, place) : as };
}

export function keyView(name: string, title: string, model: object, status = 200): PageResult {
  return { kind: 'view', view: `self-service/keys/${name}`, title, nav: 'keys', model, status };
}

/** Field → key of the message catalogue; `form` is about all of it. Undefined: nothing that whoever fills it in could help. */
export function mistakesIn({ code, details }: AppError): Record<string, string> | undefined {
  if (code === 'api_key_permission_not_held') return { permissions: 'keys.error.notHeld' };
  if (code === 'permission_invalid') return { permissions: 'keys.error.notHeld' };
  if (code === 'api_key_sub_key_limit') return { form: 'keys.error.subKeyLimit' };
  if (code === 'api_key_secret_limit') return { form: 'keys.error.secretLimit' };
  if (code === 'api_key_ended') return { form: 'keys.error.ended' };
  if (code === 'api_key_wider_than_parent') return named(details.fields, 'keys.error.wider');
  if (code !== 'api_key_invalid') return undefined;
  return named(details.fields, 'keys.error.form');
}

const sentences: Readonly<Record<string, string>> = {
  name: 'keys.error.name',
  allowedAddresses: 'keys.error.addresses',
  expiresAt: 'keys.error.expires',
  overlapSeconds: 'keys.error.overlap',
};

function named(fields: unknown, general: string): Record<string, string> {
  const names = typeof fields === 'object' && fields !== null ? Object.keys(fields) : [];
  const said = names.flatMap((path) => {
    const name = path.split('.')[0] ?? '';
    const sentence = sentences[name];
    if (sentence === undefined) return [];
    const isWider = general === 'keys.error.wider' && name === 'allowedAddresses';
    return [[name, isWider ? 'keys.error.addressesWider' : sentence] as const];
  });
  return said.length === 0 ? { form: general } : Object.fromEntries(said);
}
