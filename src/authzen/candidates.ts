// Who and what a search has to look at: windows over accounts, clients and keys, and the actions that are known of a type.
import type { Subject } from '../access/access.ts';
import type { Db } from '../platform/database/postgres.ts';

/** What is wanted of the subjects: those that no assignment or key brings near it are left out beforehand. */
export interface Wanted {
  readonly organizationId: string | null;
  /** Only what has to do with that organization, whatever it may do. */
  readonly onlyThere: boolean;
  readonly type: string;
  readonly action: string;
}

export interface Window {
  /** Those that the decision is worth asking about, in the order of ids. */
  readonly ids: readonly string[];
  /** Where the next window begins; null: there is none. */
  readonly last: string | null;
}

/** `p` is a permission as it was written down: about the type and the action, or about any. */
const near = (p: string) =>
  `(split_part(${p}, ':', 1) in ('*', :type) and split_part(${p}, ':', 2) in ('*', :action))`;

/** Roles that hold such a permission, and all that inherit from them; more than these cannot matter. */
const ROLES = `
  near_roles (id) as (
    select id from roles where exists (select from unnest(permissions) p where ${near('p')})
    union select rp.role_id from near_roles n join role_parents rp on rp.parent_id = n.id
  )`;

const ASSIGNED = (kind: string) => `
  exists (select from role_assignments a join near_roles n on n.id = a.role_id
    where a.subject_kind = '${kind}' and a.subject_id = w.id
      and (a.organization_id is null or a.organization_id = :organizationId))`;

const BY_TEAM = `
  exists (select from team_members t
    join role_assignments a on a.subject_kind = 'team' and a.subject_id = t.team_id
    join near_roles n on n.id = a.role_id
    where t.organization_id = :organizationId and t.account_id = w.id)`;

const EVERYONE = `
  exists (select from apis, jsonb_array_elements(apis.permissions) e
    where e->'everyone' = 'true' and ${near("(e->>'name')")})`;

interface Source {
  /** In the order of ids, after :after. */
  readonly window: (wanted: Wanted) => string;
  /** May it be allowed at all? Never false for one that is. */
  readonly possible: string;
}

const sources: Readonly<Record<Subject['kind'], Source>> = {
  account: {
    window: ({ organizationId }) =>
      organizationId === null
        ? `select id, admin from accounts where status = 'active' and id > :after order by id limit :size`
        : `select m.account_id as id, x.admin
           from organization_members m join accounts x on x.id = m.account_id
           where m.organization_id = :organizationId and m.account_id > :after
           order by m.account_id limit :size`,
    possible: `w.admin or (select ${EVERYONE}) or ${ASSIGNED('account')} or ${BY_TEAM}`,
  },
  client: {
    window: ({ onlyThere }) => `select id from clients c where status = 'active' and id > :after
      ${onlyThere ? `and ${clientIsThere('c.id')}` : ''} order by id limit :size`,
    // What it is registered for counts as well, and a star there stands for what its APIs have.
    possible: 'true',
  },
  'api-key': {
    window: ({ organizationId }) => `select id, permissions from api_keys
      where revoked_at is null and id > :after
        and organization_id ${organizationId === null ? 'is null' : '= :organizationId'}
      order by id limit :size`,
    possible: `exists (select from unnest(w.permissions) p where ${near('p')}) or ${ASSIGNED('api-key')}`,
  },
};

function clientIsThere(id: string): string {
  return `exists (select from role_assignments there where there.subject_kind = 'client'
    and there.subject_id = ${id} and there.organization_id = :organizationId)`;
}

/** One step of a search through all subjects of a kind. */
export async function subjectWindow(
  db: Db,
  kind: Subject['kind'],
  wanted: Wanted,
  { after, size }: { after: string; size: number },
): Promise<Window> {
  const { window, possible } = sources[kind];
  const { rows } = await db.raw<{ rows: { id: string; possible: boolean }[] }>(
    `with recursive ${ROLES} select w.id, (${possible}) as possible from (${window(wanted)}) w order by w.id`,
    { ...wanted, after, size },
  );
  const ids = rows.filter((row) => row.possible).map(({ id }) => id);
  return { ids, last: rows.length < size ? null : (rows.at(-1)?.id ?? null) };
}

/** Whether the client or key has to do with the organization. */
export async function belongs(db: Db, subject: Subject, organizationId: string): Promise<boolean> {
  const there =
    subject.kind === 'client'
      ? `select ${clientIsThere(':id')} as there`
      : 'select exists (select from api_keys where id = :id and organization_id = :organizationId) as there';
  const { rows } = await db.raw<{ rows: { there: boolean }[] }>(there, { id: subject.id, organizationId });
  return rows[0]?.there === true;
}

/** The actions that APIs and roles name for the type, or for any type. */
export async function knownActions(db: Db, type: string, organizationId: string | null): Promise<string[]> {
  const { rows } = await db.raw<{ rows: { action: string }[] }>(
    `select split_part(p, ':', 2) as action from roles r, unnest(r.permissions) p
     where split_part(p, ':', 1) in ('*', :type)
       and (r.organization_id is null or r.organization_id = :organizationId)
     union
     select split_part(e->>'name', ':', 2) from apis, jsonb_array_elements(apis.permissions) e
     where split_part(e->>'name', ':', 1) in ('*', :type)`,
    { type, organizationId },
  );
  return rows.map(({ action }) => action).filter((action) => action !== '*');
}
