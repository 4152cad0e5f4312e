// Who may do what: roles and to whom they are assigned, the facts that follow, and decisions with their reasons.

import type { Accounts } from '../accounts/accounts.ts';
import type { Apis } from '../apis/apis.ts';
import type { Audit } from '../audit/audit.ts';
import type { Clients } from '../clients/clients.ts';
import { compilePermissions, type PermissionSet } from '../lib/permission.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Postgres } from '../platform/database/postgres.ts';
import { type Assignments, createAssignments } from './assignments.ts';
import { decide, unknownSubject } from './decide.ts';
import { createFactBook } from './facts.ts';
import type { Resources } from './resources.ts';
import { createRoles, type Roles } from './roles.ts';
import type { Decision, Facts, Resource, Subject } from './schema.ts';

export { decide } from './decide.ts';
export { type Acting, actingOf, asOperator, refuseHandingOut } from './holding.ts';
export { NewResource, type RegisteredResource, ResourceInput, type Resources } from './resources.ts';
export type {
  Assignment,
  Decision,
  Facts,
  NewRole,
  Reason,
  Resource,
  Role,
  RoleChange,
  Subject,
  SubjectKind,
} from './schema.ts';

export interface Question {
  subject: Subject;
  organizationId: string | null;
  action: string;
  resource: Resource;
}

export interface Access extends Roles, Assignments {
  /**
   * Undefined when the subject is gone, suspended, or no member of the organization. From memory: fresh at once on this
   * node after a change of its own, within a second or two after others'; the same object as long as nothing changed.
   */
  factsOf(subject: Subject, organizationId: string | null): Promise<Facts | undefined>;
  /** What a subject may do by itself: of a client with what it is entitled to, of a key within its own bounds. */
  effectiveOf(subject: Subject, organizationId: string | null): Promise<Facts | undefined>;
  decide(question: Question): Promise<Decision>;
  /** Keeps facts fresh. */
  start(): void;
}

export interface AccessDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  clock: Clock;
  changes: Pick<Changes, 'bump' | 'on' | 'poll' | 'silence'>;
  accounts: Pick<Accounts, 'find' | 'change'>;
  apis: Pick<Apis, 'everyone' | 'known'>;
  clients: Pick<Clients, 'known'>;
  /** What a key may do, and in which organization it is; keys live on a floor above. */
  permissionsOfKey: (
    keyId: string,
  ) => Promise<{ permissions: PermissionSet; organizationId: string | null } | undefined>;
  /** What is registered about a resource goes before what a question says about it. */
  resources: Pick<Resources, 'known'>;
}

export function createAccess(deps: AccessDeps): Access {
  const { postgres, clock, changes, apis } = deps;
  const facts = createFactBook({ db: postgres.db, clock, changes, everyone: () => apis.everyone() });
  const roles = createRoles(deps);
  const assignments = createAssignments(deps);

  async function effectiveOf(subject: Subject, organizationId: string | null): Promise<Facts | undefined> {
    if (subject.kind === 'api-key') return ofKey(subject, organizationId);
    const found = await facts.of(subject, organizationId);
    if (found === undefined || subject.kind === 'account') return found;
    const client = (await deps.clients.known(subject.id))?.client;
    if (client === undefined) return undefined;
    const entitled = client.apis.flatMap(({ audience, permissions }) =>
      permissions.includes('*')
        ? (apis.known(audience)?.permissions ?? []).map(({ name }) => name)
        : permissions,
    );
    return {
      ...found,
      permissions: found.permissions.union(compilePermissions(entitled)),
      sources: [
        ...found.sources,
        ...entitled.map((permission) => ({ permission, via: 'client registration' })),
      ],
    };
  }

  /** A key that is bound to an organization has no business in another one. */
  async function ofKey(subject: Subject, organizationId: string | null): Promise<Facts | undefined> {
    const key = await deps.permissionsOfKey(subject.id);
    if (key === undefined || key.organizationId !== organizationId) return undefined;
    const found = await facts.of(subject, organizationId);
    if (found === undefined) return undefined;
    const own = key.permissions.texts.map((permission) => ({ permission, via: 'key' }));
    return { ...found, permissions: key.permissions, sources: [...own, ...found.sources] };
  }

  return {
    ...roles,
    ...assignments,
    factsOf: facts.of,
    effectiveOf,

    async decide({ subject, organizationId, action, resource }) {
      const found = await effectiveOf(subject, organizationId);
      if (found === undefined) return unknownSubject;
      const { type, id } = resource;
      const registered =
        id === undefined ? undefined : await deps.resources.known({ organizationId, type, id });
      return decide(found, action, { ...resource, properties: { ...resource.properties, ...registered } });
    },

    start: facts.start,
  };
}
