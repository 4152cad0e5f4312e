// The shapes of an API key: what may be asked for and changed, what is kept, what requests see of it, and what is shown.
import { z } from 'zod';
import type { AccountId, ApiKeyId, ApiKeySecretId, ClientId, OrganizationId } from '../lib/ids.ts';
import { addressRanges } from '../lib/ip.ts';
import { type PermissionSet, parsePermission } from '../lib/permission.ts';
import { rateLimits } from '../lib/rate-limits.ts';
import { staticClaims } from '../lib/static-claims.ts';
import type { KeyLimit } from '../platform/limits/key-limits.ts';

export const ownerKinds = ['account', 'organization', 'client'] as const;
export type OwnerKind = (typeof ownerKinds)[number];

/** Whose the key is. An account's key may be bound to one of its organizations. */
export interface KeyOwner {
  readonly ownerKind: OwnerKind;
  readonly accountId: AccountId | null;
  readonly organizationId: OrganizationId | null;
  readonly clientId: ClientId | null;
}

/** A key as requests see it: kept in process, never changed, the same object while nothing about it changes. */
export interface KnownKey extends KeyOwner {
  readonly id: ApiKeyId;
  readonly parentId: ApiKeyId | null;
  /** The first of its family; its own id when it has no parent. */
  readonly rootId: ApiKeyId;
  readonly depth: number;
  readonly name: string;
  readonly permissions: readonly string[];
  /** The audiences it may be used at; null: all that its owner may. */
  readonly apis: readonly string[] | null;
  /** Addresses and CIDR ranges that it may be used from; null: anywhere. */
  readonly allowedAddresses: readonly string[] | null;
  readonly rateLimits: readonly KeyLimit[];
  /** Free allow-lists that the gateway compares with what a request is for. */
  readonly constraints: Readonly<Record<string, readonly string[]>>;
  /** What tokens made from it say beside what the server says. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly status: 'active' | 'disabled';
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly version: number;
}

/** A key as its managers see it. */
export interface ApiKey extends KnownKey {
  readonly notes: string | null;
  readonly revokedReason: string | null;
  /** When it was revoked or expired; retention counts from then. */
  readonly endedAt: Date | null;
  readonly lastUsedAt: Date | null;
  readonly lastUsedAddress: string | null;
  readonly lastUsedUserAgent: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface KeySecretView {
  readonly id: ApiKeySecretId;
  readonly createdAt: Date;
  /** Works until then; null: as long as its key. */
  readonly retiresAt: Date | null;
}

/** Why a key is not good. Each is a stable code; towards strangers all are one 401. */
export type KeyRefusal =
  | 'malformed'
  | 'unknown'
  | 'revoked'
  | 'disabled'
  | 'expired'
  | 'retired'
  | 'ancestor_inactive'
  | 'owner_inactive'
  | 'address_not_allowed';

/** What a key may do here and now: its own, its owner's and its ancestors' bounds together. */
export interface Effective {
  readonly permissions: PermissionSet;
  /** The roles assigned to the key itself, as long as it may do all that they stand for. */
  readonly roles: readonly string[];
  /** null: all that the owner may. */
  readonly apis: readonly string[] | null;
  readonly constraints: Readonly<Record<string, readonly string[]>>;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly expiresAt: Date | null;
  /** The key and then its ancestors, the nearest first. */
  readonly chain: readonly KnownKey[];
}

export interface ShownKey extends ApiKey {
  readonly secrets: readonly KeySecretView[];
  readonly active: boolean;
  readonly inactiveReason: KeyRefusal | null;
  readonly effective: {
    readonly permissions: readonly string[];
    readonly apis: readonly string[] | null;
    readonly constraints: Readonly<Record<string, readonly string[]>>;
    readonly expiresAt: Date | null;
  };
}

export const keyStates = ['active', 'disabled', 'expired', 'revoked'] as const;

export interface ApiKeyFilter {
  ownerKind?: OwnerKind | undefined;
  ownerId?: string | undefined;
  parentId?: string | undefined;
  state?: (typeof keyStates)[number] | undefined;
  /** Only keys that may do everything: those of administrators. */
  everything?: boolean | undefined;
  /** The whole id, or the beginning of the name in any case. */
  search?: string | undefined;
}

/** Which keys somebody may see at all; what is outside does not exist for them. All that are given must hold. */
export interface KeyScope {
  readonly organizationId?: string | undefined;
  readonly accountId?: string | undefined;
  readonly clientId?: string | undefined;
  /** The keys below this one. */
  readonly ancestorId?: string | undefined;
}

// No control, direction or lone surrogate characters: these texts are shown in lists and terminals.
const plainText = (maximum: number) =>
  z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(maximum, `must not be longer than ${maximum} characters`)
    .regex(/^[^\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]*$/u, 'must not hold control characters');

const distinct = <T>(list: readonly T[]) => new Set(list).size === list.length;

const permission = z
  .string()
  .refine(
    (text) => parsePermission(text) !== undefined,
    'has the form resource:action or resource:action:selector',
  );

const permissions = z
  .array(permission)
  .max(200, 'must not be more than 200')
  .refine(distinct, 'must not name one twice');

const address = z
  .string()
  .refine(isRange, 'must be an address or a range such as 192.0.2.0/24 or 2001:db8::/32');

const WORD = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/i;

const constraints = z
  .record(
    z.string().regex(WORD, 'is a word'),
    z.array(plainText(200)).max(100).refine(distinct, 'must not name one twice'),
  )
  .refine((lists) => Object.keys(lists).length <= 20, 'must not be more than 20 lists');

const time = z.iso.datetime({ offset: true }).pipe(z.coerce.date());
const date = z.union([z.date(), time]);

const fields = {
  name: plainText(200),
  permissions: permissions.describe('What it may do; never more than its owner and whoever makes it.'),
  apis: z
    .array(z.string().min(1).max(2000))
    .min(1)
    .max(100)
    .refine(distinct, 'must not name one twice')
    .nullable()
    .describe('The audiences it may be used at; null: all that its owner may.'),
  allowedAddresses: z
    .array(address)
    .min(1)
    .max(50)
    .nullable()
    .describe('Addresses and CIDR ranges that it may be used from; null: anywhere.'),
  rateLimits: rateLimits.describe('How often it may be used, beside the limits of the keys above it.'),
  constraints: constraints.describe('Free allow-lists, such as endpoint, provider or model.'),
  claims: staticClaims.describe('What tokens made from it say beside what the server says.'),
  notes: plainText(2000).nullable(),
  expiresAt: date.nullable().describe('When it ends; without it after API_KEY_LIFETIME_DAYS.'),
};

/** What whoever makes a key says about it. */
export const NewApiKey = z.strictObject({
  name: fields.name,
  permissions: fields.permissions,
  apis: fields.apis.optional(),
  allowedAddresses: fields.allowedAddresses.optional(),
  rateLimits: fields.rateLimits.optional(),
  constraints: fields.constraints.optional(),
  claims: fields.claims.optional(),
  notes: fields.notes.optional(),
  expiresAt: fields.expiresAt.optional(),
  /** Whose it is; whoever asks, unless told. Not with a parent, whose owner it has. */
  owner: z.strictObject({ kind: z.enum(ownerKinds), id: z.string().min(1).max(200) }).optional(),
  organizationId: z.string().max(64).nullable().optional().describe('Where the key of a person acts.'),
  parentId: z
    .string()
    .max(64)
    .nullable()
    .optional()
    .describe('Makes it a sub-key, which can only be narrower.'),
});
export type NewApiKey = z.input<typeof NewApiKey>;

export const ApiKeyChange = z.strictObject(fields).partial().extend({
  /** Guards against lost updates when given. */
  version: z.int().optional(),
});
export type ApiKeyChange = z.input<typeof ApiKeyChange>;

export const Rotation = z.strictObject({
  overlapSeconds: z
    .int()
    .min(0)
    .optional()
    .describe(
      'For how long the secrets before it work on; API_KEY_OVERLAP_SECONDS unless told, 0: not at all.',
    ),
});
export type Rotation = z.input<typeof Rotation>;

export function ownerOf(key: KeyOwner): { kind: OwnerKind; id: string } {
  const ids = { account: key.accountId, organization: key.organizationId, client: key.clientId };
  return { kind: key.ownerKind, id: ids[key.ownerKind] ?? '' };
}

export function stateOf(
  key: Pick<KnownKey, 'revokedAt' | 'expiresAt' | 'status'>,
  now: Date,
): (typeof keyStates)[number] {
  if (key.revokedAt !== null) return 'revoked';
  if (key.expiresAt !== null && key.expiresAt <= now) return 'expired';
  return key.status;
}

/** IPv4 is compared as IPv4, so a range of mapped addresses would match nobody. */
function isRange(text: string): boolean {
  if (/^::ffff:/i.test(text)) return false;
  try {
    addressRanges([text]);
    return true;
  } catch {
    return false;
  }
}
