// What facts are made of, read for many subjects in one statement: whether they are there, where they belong, what they were assigned.
import type { Db } from '../platform/database/postgres.ts';
import { prepared, runPrepared } from '../platform/database/prepared.ts';
import { ADMIN_ROLE, type Subject } from './schema.ts';

/** A role that a subject has: everywhere, or in one organization, there perhaps by a team. */
export interface Held {
  readonly roleId: string;
  readonly organizationId: string | null;
  readonly team: string | null;
}

export interface Standing {
  /** Active organizations that it is a member of; undefined for what is no member of anything. */
  readonly organizations: readonly string[] | undefined;
  readonly held: readonly Held[];
  readonly identifiers: readonly string[];
}

interface Row {
  id: string;
  admin?: boolean;
  email?: string | null;
  username?: string | null;
  organizations?: string[];
  /** JSON. */
  held: string;
}

const ASSIGNED = (kind: string) => `
  select a.role_id, a.organization_id, null::text as team from role_assignments a
  where a.subject_kind = '${kind}' and a.subject_id = s.id`;

const BY_TEAM = `
  select a.role_id, a.organization_id, t.name as team
  from organization_members m
  join team_members tm on tm.organization_id = m.organization_id and tm.account_id = m.account_id
  join teams t on t.id = tm.team_id
  join role_assignments a on a.subject_kind = 'team' and a.subject_id = tm.team_id
  where m.account_id = s.id`;

const listed = (select: string) => `
  array_to_json(array(select json_build_array(h.role_id, h.organization_id, h.team) from (${select}) h
    left join organizations o on o.id = h.organization_id
    where h.organization_id is null or o.status = 'active'
    order by h.organization_id nulls first, h.role_id, h.team nulls first))::text as held`;

// Membership, teams and states are of other features; asked for here, one statement answers for hundreds of subjects.
const statements: Readonly<Record<Subject['kind'], ReturnType<typeof prepared>>> = {
  account: prepared(
    'access_accounts',
    `select s.id, s.admin, u.value as username, e.value as email,
       array(select m.organization_id from organization_members m
         join organizations o on o.id = m.organization_id and o.status = 'active'
         where m.account_id = s.id order by 1) as organizations,
       ${listed(`${ASSIGNED('account')} union ${BY_TEAM}`)}
     from accounts s
     left join account_identifiers u on u.account_id = s.id and u.kind = 'username'
     left join account_identifiers e on e.account_id = s.id and e.kind = 'email' and e.verified
     where s.status = 'active' and s.id = any(?::text[])`,
  ),
  client: prepared(
    'access_clients',
    `select s.id, ${listed(ASSIGNED('client'))} from clients s
     where s.status = 'active' and s.id = any(?::text[])`,
  ),
  'api-key': prepared(
    'access_api_keys',
    `select s.id, ${listed(ASSIGNED('api-key'))} from api_keys s
     where s.revoked_at is null and s.id = any(?::text[])`,
  ),
};

/** Undefined for those that are not there, or suspended, disabled or revoked. */
export async function findStandings(
  db: Db,
  kind: Subject['kind'],
  ids: readonly string[],
  readHeld: ReadHeld,
): Promise<(Standing | undefined)[]> {
  const rows = await runPrepared<Row>(db, statements[kind], [ids]);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => {
    const row = byId.get(id);
    return row && toStanding(id, row, readHeld);
  });
}

export type ReadHeld = (json: string, admin: boolean) => readonly Held[];

const MAXIMUM_READ = 5_000;

/** Most have what many others have, too: kept once for all of them. */
export function createReadHeld(): ReadHeld {
  const known = new Map<string, readonly Held[]>();
  return (json, admin) => {
    const key = `${json}${admin}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const parsed: [roleId: string, organizationId: string | null, team: string | null][] = JSON.parse(json);
    const held = parsed.map(([roleId, organizationId, team]) => ({ roleId, organizationId, team }));
    if (admin) held.unshift({ roleId: ADMIN_ROLE, organizationId: null, team: null });
    if (known.size >= MAXIMUM_READ) known.clear();
    known.set(key, held);
    return held;
  };
}

const NONE: readonly never[] = [];

// Written out, and not spread or filtered: there may be hundreds of thousands of these, and written out they are smallest.
function toStanding(id: string, row: Row, readHeld: ReadHeld): Standing {
  return {
    organizations: row.organizations?.length === 0 ? NONE : row.organizations,
    held: readHeld(row.held, row.admin === true),
    identifiers: identifiersOf(id, row.email ?? null, row.username ?? null),
  };
}

function identifiersOf(id: string, email: string | null, username: string | null): readonly string[] {
  if (email === null) return username === null ? [id] : [id, username];
  return username === null ? [id, email] : [id, email, username];
}

/** A role with everything that it inherits. */
export interface WholeRole {
  readonly id: string;
  readonly name: string;
  /** Itself and those it inherits. */
  readonly parts: readonly { readonly name: string; readonly permissions: readonly string[] }[];
}

const WHOLE = `
  with recursive held (root, role_id) as (
    select id, id from roles where id = any(?::text[])
    union select held.root, p.parent_id from held join role_parents p on p.role_id = held.role_id
  )
  select held.root, r.id, r.name, r.permissions from held join roles r on r.id = held.role_id
  order by held.root, r.name, r.id`;

interface WholeRow {
  root: string;
  id: string;
  name: string;
  permissions: string[];
}

/** `union` ends the recursion even where a circle had come about. Also within a transaction. */
export async function findWholeRoles(db: Db, ids: readonly string[]): Promise<(WholeRole | undefined)[]> {
  const { rows } = await db.raw<{ rows: WholeRow[] }>(WHOLE, [[...ids]]);
  const byRoot = Map.groupBy(rows, (row) => row.root);
  return ids.map((id) => {
    const parts = byRoot.get(id);
    const own = parts?.find((part) => part.id === id);
    return parts && own && { id, name: own.name, parts };
  });
}
