// The shapes of access: roles, their assignments, and what is asked and answered about who may do what.
import { z } from 'zod';
import type { OrganizationId, RoleId } from '../lib/ids.ts';
import { instant } from '../lib/instant.ts';
import { type PermissionSet, permissionProblem } from '../lib/permission.ts';
import { type SessionLife, sessionSeconds } from '../lib/session-life.ts';
import { type Strength, strengths } from '../lib/strength.ts';

export const subjectKinds = ['account', 'team', 'client', 'api-key'] as const;
/** To whom a role may be assigned. */
export type SubjectKind = (typeof subjectKinds)[number];

/** Who acts: a team never does, its members do. */
export interface Subject {
  kind: 'account' | 'client' | 'api-key';
  id: string;
}

export interface Facts {
  /** From roles and, for accounts, what everyone holds. The same object as long as nothing changed. */
  readonly permissions: PermissionSet;
  /** Names, inherited ones included, sorted. */
  readonly roles: readonly string[];
  /** Where each permission is from: 'role viewer (in team Support)', 'everyone'. */
  readonly sources: readonly Source[];
  /** What `@property` conditions are compared with: the id, a verified mail address, the user name. */
  readonly identifiers: readonly string[];
}

export interface Source {
  readonly permission: string;
  readonly via: string;
}

export interface Resource {
  type: string;
  id?: string | undefined;
  properties?: Record<string, unknown> | undefined;
}

/** As people write it: 'files', 'files:7'. */
export function resourceNamed(text: string): Resource {
  const at = text.indexOf(':');
  return at === -1 ? { type: text } : { type: text.slice(0, at), id: text.slice(at + 1) };
}

export interface Decision {
  allowed: boolean;
  reasons: readonly Reason[];
}

export const reasonCodes = [
  'permitted',
  'permitted_by_property',
  'no_permission',
  'other_resource',
  'property_mismatch',
  'question_invalid',
  'subject_unknown',
] as const;

export interface Reason {
  code: (typeof reasonCodes)[number];
  text: string;
}

/** The one role that is a word of the server itself: whoever has it everywhere is an administrator (accounts.admin). */
export const ADMIN_ROLE = 'role_00000000000000000000000006' as RoleId;

/** `SessionLife` bounds the sessions of whoever has it. */
export interface Role extends SessionLife {
  id: RoleId;
  /** Null: known everywhere. */
  organizationId: OrganizationId | null;
  name: string;
  description: string | null;
  permissions: string[];
  /** The roles that it has everything of. */
  parents: RoleId[];
  /** How sure the sign-in of whoever has it must be, wherever they have it; null: no matter. */
  requiredAcr: Strength | null;
  builtIn: boolean;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

export interface Assignment {
  roleId: RoleId;
  /** The name of the role. */
  role: string;
  subjectKind: SubjectKind;
  subjectId: string;
  /** Null: everywhere. */
  organizationId: OrganizationId | null;
  createdAt: Date;
}

const ROLE_NAME = /^[a-z][a-z0-9_-]{0,62}$/;

const permissionList = z
  .array(
    z.string().superRefine((text, context) => {
      const problem = permissionProblem(text);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    }),
  )
  .max(500, 'must not be more than 500');

const fields = {
  name: z
    .string()
    .regex(ROLE_NAME, 'must be a word of lower-case letters, digits, dashes and underscores, at most 63'),
  // No control, direction or lone surrogate characters: it is shown on pages and in terminals.
  description: z
    .string()
    .trim()
    .max(500, 'must not be longer than 500 characters')
    .regex(/^[^\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]*$/u, 'must not hold control characters')
    .transform((text) => (text === '' ? null : text))
    .nullable(),
  permissions: permissionList,
  parents: z.array(z.string().max(64)).max(50, 'must not be more than 50'),
  requiredAcr: z
    .enum(strengths)
    .nullable()
    .describe('How sure every sign-in of whoever has it must be at least; null: no matter.'),
  sessionIdleSeconds: sessionSeconds.describe(
    'How long sessions of whoever has it last without use at most; null: no bound of its own.',
  ),
  sessionAbsoluteSeconds: sessionSeconds.describe(
    'How long after a sign-in whoever has it signs in anew at the latest; null: no bound of its own.',
  ),
};

export const NewRole = z.strictObject({
  name: fields.name,
  organizationId: z.string().max(64).nullish().describe('Absent or null: a role that is known everywhere.'),
  description: fields.description.default(null),
  permissions: fields.permissions.default([]),
  parents: fields.parents.default([]).describe('Ids of the roles that it has everything of.'),
  requiredAcr: fields.requiredAcr.default(null),
  sessionIdleSeconds: fields.sessionIdleSeconds.default(null),
  sessionAbsoluteSeconds: fields.sessionAbsoluteSeconds.default(null),
});
export type NewRole = z.input<typeof NewRole>;

/** Permissions and parents that are given replace all of them. */
export const RoleChange = z.strictObject(fields).partial().extend({
  /** Guards against lost updates when given. */
  version: z.int().optional(),
});
export type RoleChange = z.input<typeof RoleChange>;

export const RoleView = z
  .object({
    id: z.string(),
    organizationId: z.string().nullable(),
    name: z.string(),
    description: z.string().nullable(),
    permissions: z.array(z.string()),
    parents: z.array(z.string()),
    requiredAcr: fields.requiredAcr,
    sessionIdleSeconds: fields.sessionIdleSeconds,
    sessionAbsoluteSeconds: fields.sessionAbsoluteSeconds,
    builtIn: z.boolean(),
    version: z.int(),
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: 'Role' });

export const AssignmentView = z
  .object({
    roleId: z.string(),
    role: z.string(),
    subjectKind: z.enum(subjectKinds),
    subjectId: z.string(),
    organizationId: z.string().nullable(),
    createdAt: instant,
  })
  .meta({ id: 'RoleAssignment' });

export const DecisionView = z
  .object({
    allowed: z.boolean(),
    reasons: z.array(z.object({ code: z.enum(reasonCodes), text: z.string() })),
  })
  .meta({ id: 'Decision' });

export const EffectiveView = z
  .object({
    permissions: z.array(z.string()),
    roles: z.array(z.string()),
    sources: z.array(z.object({ permission: z.string(), via: z.string() })),
  })
  .meta({ id: 'EffectivePermissions' });
