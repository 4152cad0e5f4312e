// The shapes of organizations, their members and their teams: what comes in, what is kept, and what may be shown.
import { z } from 'zod';
import { parseName } from '../lib/identifiers.ts';
import type { AccountId, OrganizationId, TeamId } from '../lib/ids.ts';
import { instant } from '../lib/instant.ts';
import { type SessionLife, sessionSeconds } from '../lib/session-life.ts';
import { type Strength, strengths } from '../lib/strength.ts';
import { isTimeZone } from '../lib/time-zone.ts';

export type OrganizationStatus = 'active' | 'suspended';

/** `SessionLife` bounds the sessions of its members. */
export interface Organization extends SessionLife {
  id: OrganizationId;
  /** A word that people type and read in addresses; unique. */
  slug: string;
  name: string;
  status: OrganizationStatus;
  timeZone: string;
  /** The ceiling of the keys that belong to it. */
  permissions: string[];
  /** How sure every sign-in of its members must be; null: no matter. */
  requiredAcr: Strength | null;
  /** Grows by one with every change; a change that names it is refused when it is no longer the current one. */
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

export interface Team {
  id: TeamId;
  organizationId: OrganizationId;
  name: string;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

export interface Member {
  accountId: AccountId;
  name: string | null;
  email: string | null;
  username: string | null;
  status: 'active' | 'suspended';
  since: Date;
}

/** An organization as one of its members sees it, and as tokens need it. */
export interface Membership {
  readonly organizationId: OrganizationId;
  readonly slug: string;
  readonly name: string;
  readonly teamIds: readonly TeamId[];
}

/** A membership as administrators see it, also in a suspended organization. */
export interface AccountOrganization {
  organizationId: OrganizationId;
  slug: string;
  name: string;
  status: OrganizationStatus;
  teams: { id: TeamId; name: string }[];
  since: Date;
}

export const SLUG = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** More would be a list of everything; the ceiling is what an organization is for. */
const MAXIMUM_PERMISSIONS = 200;

const slug = z
  .string()
  .regex(SLUG, 'A slug has 1 to 63 lower-case letters, digits and dashes, no dash at its ends.');

const name = z.string().transform((text, context) => {
  const parsed = parseName(text);
  if (parsed === undefined) {
    context.addIssue({
      code: 'custom',
      message: 'A name has 1 to 200 characters and none that are invisible.',
    });
  }
  return parsed ?? z.NEVER;
});

const timeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, 'A time zone is a name of the IANA database, such as Europe/Vienna.');

// Only typed as text here: the grammar decides, and answers permission_invalid.
const permissions = z.array(z.string()).max(MAXIMUM_PERMISSIONS);
const requiredAcr = z.enum(strengths).nullable();
const sessionIdleSeconds = sessionSeconds
  .optional()
  .describe('How long sessions of its members last without use at most; null: no bound of its own.');
const sessionAbsoluteSeconds = sessionSeconds
  .optional()
  .describe('How long after a sign-in its members sign in anew at the latest; null: no bound of its own.');
const version = z.int().positive().optional();

export const NewOrganization = z.object({
  slug,
  name,
  timeZone: timeZone.optional().describe('UTC unless told. Windows of budgets begin by it.'),
  permissions: permissions.optional().describe('What its own keys may have at most; `*:*` unless told.'),
  requiredAcr: requiredAcr
    .optional()
    .describe('How sure every sign-in of its members must be at least; null, unless told: no matter.'),
  sessionIdleSeconds,
  sessionAbsoluteSeconds,
});
export type NewOrganization = z.input<typeof NewOrganization>;

/** A field that is absent stays. */
export const OrganizationChange = z.object({
  slug: slug.optional(),
  name: name.optional(),
  timeZone: timeZone.optional(),
  permissions: permissions.optional(),
  requiredAcr: requiredAcr.optional(),
  sessionIdleSeconds,
  sessionAbsoluteSeconds,
  version,
});
export type OrganizationChange = z.input<typeof OrganizationChange>;

export const NewTeam = z.object({ name });
export type NewTeam = z.input<typeof NewTeam>;

export const TeamChange = z.object({ name: name.optional(), version });
export type TeamChange = z.input<typeof TeamChange>;

export interface OrganizationFilter {
  status?: OrganizationStatus | undefined;
  slug?: string | undefined;
  /** Only this one, and none when it is not there: what a caller sees who is bound to it. */
  id?: string | undefined;
}

export const OrganizationView = z
  .object({
    id: z.string(),
    slug: z.string(),
    name: z.string(),
    status: z.enum(['active', 'suspended']),
    timeZone: z.string(),
    permissions: z.array(z.string()),
    requiredAcr,
    sessionIdleSeconds: sessionSeconds,
    sessionAbsoluteSeconds: sessionSeconds,
    version: z.int(),
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: 'Organization' });

export const TeamView = z
  .object({
    id: z.string(),
    organizationId: z.string(),
    name: z.string(),
    version: z.int(),
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: 'Team' });

export const MemberView = z
  .object({
    accountId: z.string(),
    name: z.string().nullable(),
    email: z.string().nullable(),
    username: z.string().nullable(),
    status: z.enum(['active', 'suspended']),
    since: instant,
  })
  .meta({ id: 'Member' });

export const AccountOrganizationView = z
  .object({
    organizationId: z.string(),
    slug: z.string(),
    name: z.string(),
    status: z.enum(['active', 'suspended']),
    teams: z.array(z.object({ id: z.string(), name: z.string() })),
    since: instant,
  })
  .meta({ id: 'AccountOrganization' });

// Ids in an address. Any text: one that no thing has, whatever its form, is answered with 404.
export const OrganizationParams = z.object({ organizationId: z.string() });
export const MemberParams = z.object({ organizationId: z.string(), accountId: z.string() });
export const TeamParams = z.object({ organizationId: z.string(), teamId: z.string() });
export const TeamMemberParams = z.object({
  organizationId: z.string(),
  teamId: z.string(),
  accountId: z.string(),
});
