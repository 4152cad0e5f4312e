// Nothing crosses organizations: every route of the management API is tried by callers that are bound to one organization,
// with the ids of another. What they are answered is what they are answered for ids that do not exist, it holds nothing of the
// other organization, and nothing of it has changed.
import { beforeAll, describe, expect, it } from 'vitest';
import { managementRoutes } from '../../src/app.ts';
import type { Route } from '../../src/platform/api/route.ts';
import { needsVersion } from '../../src/platform/api/versions.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { boundTo, MARK, nothing, organizationOf, type Things } from './crossing-world.ts';

const wide = { LIMIT_ADMIN_READ_PER_MINUTE: '1000000', LIMIT_ADMIN_WRITE_PER_MINUTE: '1000000' };
const gatehouse = useGatehouse({ settings: wide });
const made: {
  own?: Things;
  other?: Things;
  absent?: Things;
  callers?: Record<string, Record<string, string>>;
} = {};
function ready() {
  const { own, other, absent, callers } = made;
  if (!own || !other || !absent || !callers) throw new Error('made before the tests');
  return { own, other, absent, callers };
}

beforeAll(async () => {
  const { services } = gatehouse;
  const own = await organizationOf(services, 'aurora');
  // Whoever acts in the one organization is at home in the other as well; what acts for them there is bound to it.
  const other = await organizationOf(services, MARK, own.accountId);
  Object.assign(made, { own, other, absent: nothing(other), callers: await boundTo(gatehouse, own) });
});

interface Attempt {
  params?: Record<string, string>;
  query?: Record<string, string>;
  body?: unknown;
  /** It may be answered well: with what is the caller's own, or because there is nothing to do. */
  mayPass?: true;
  /** Refused for its form, whatever it names. */
  isInvalid?: true;
}

type Attempts = (there: Things, own: Things) => Attempt[];

/** Of a route below /organizations/:organizationId: everything from there, and then what is below from there alone. */
const below =
  (more: Pick<Attempt, 'body' | 'mayPass'> = {}, names: readonly (keyof Things)[] = []): Attempts =>
  (there, own) => {
    const params = Object.fromEntries(names.map((name) => [name, there[name]]));
    const whole = { params: { ...params, organizationId: there.organizationId }, body: more.body };
    if (names.length === 0) return [whole];
    return [whole, { params: { ...params, organizationId: own.organizationId }, ...more }];
  };

const byKey =
  (body?: unknown): Attempts =>
  ({ keyId, personKeyId }) =>
    [keyId, personKeyId].map((id) => ({ params: { id }, body }));
const byRole =
  (more: Pick<Attempt, 'body'> = {}): Attempts =>
  ({ roleId }) => [{ params: { roleId }, ...more }];
const ofResource =
  (more: Pick<Attempt, 'body' | 'mayPass'> = {}): Attempts =>
  ({ organizationId, resourceId }) => [
    { params: { type: 'todo', id: resourceId }, query: { organizationId }, body: more.body },
    { params: { type: 'todo', id: resourceId }, ...more },
  ];
const assigning: Attempts = (there, own) => {
  const { roleId, organizationId } = there;
  const subject = { subjectKind: 'account', subjectId: own.accountId };
  return [
    { params: { roleId, ...subject } },
    { params: { roleId: own.roleId, ...subject }, query: { organizationId } },
    ...subjectsOf(there).map((other) => ({ params: { roleId: own.roleId, ...other } })),
  ];
};
const subjectsOf = ({ accountId, teamId, keyId, personKeyId }: Things) => [
  { subjectKind: 'account', subjectId: accountId },
  { subjectKind: 'team', subjectId: teamId },
  { subjectKind: 'api-key', subjectId: keyId },
  { subjectKind: 'api-key', subjectId: personKeyId },
];
const aboutSubjects =
  (more: Record<string, string> = {}, mayPass?: true): Attempts =>
  (there, own) => [
    ...subjectsOf(there).map((params) => ({ params: { ...params, ...more }, ...(mayPass && { mayPass }) })),
    {
      params: { subjectKind: 'account', subjectId: own.accountId, ...more },
      query: { organizationId: there.organizationId },
    },
    { params: { subjectKind: 'account', subjectId: own.accountId, ...more }, mayPass: true },
  ];
const keyLists: Attempts = ({ organizationId, accountId, keyId }) => [
  { mayPass: true },
  { query: { ownerKind: 'organization', ownerId: organizationId }, mayPass: true },
  { query: { ownerKind: 'account', ownerId: accountId }, mayPass: true },
  { query: { parentId: keyId }, mayPass: true },
  { query: { search: keyId }, mayPass: true },
];
const newKeys =
  (isInvalid?: true): Attempts =>
  ({ organizationId, accountId, keyId }) => {
    const key = { name: 'x', permissions: ['organizations:read'] };
    const owned = (kind: string, id: string) => ({
      body: { ...key, owner: { kind, id } },
      ...(isInvalid && { isInvalid }),
    });
    return [
      { body: { ...key, organizationId } },
      { body: { ...key, parentId: keyId } },
      owned('organization', organizationId),
      owned('account', accountId),
    ];
  };
const keyRoutes = (own: '' | 'Own'): Record<string, Attempts> => ({
  [`list${own}ApiKeys`]: keyLists,
  // What a key makes for itself is a sub-key, and has no other owner.
  [`create${own}ApiKey`]: newKeys(own === 'Own' ? true : undefined),
  [`get${own}ApiKey`]: byKey(),
  [`list${own}ApiKeyFamily`]: byKey(),
  [`change${own}ApiKey`]: byKey({ name: 'Taken' }),
  [`rotate${own}ApiKey`]: byKey({}),
  [`disable${own}ApiKey`]: byKey(),
  [`enable${own}ApiKey`]: byKey(),
  [`revoke${own}ApiKey`]: byKey({ reason: 'taken' }),
});

const byBudget =
  (body?: unknown): Attempts =>
  ({ budgetId }) => [{ params: { id: budgetId }, body }];
const byReservation =
  (body?: unknown): Attempts =>
  ({ reservationId }) => [{ params: { id: reservationId }, body }];
const scopesOf = ({ organizationId, accountId, teamId, keyId, personKeyId }: Things) => [
  { kind: 'organization', id: organizationId },
  { kind: 'account', id: accountId },
  { kind: 'team', id: teamId },
  { kind: 'api-key', id: keyId },
  { kind: 'api-key', id: personKeyId },
];
const usageLists: Attempts = ({ organizationId, keyId, accountId }) => [
  { mayPass: true },
  { query: { subjectKind: 'api-key', subjectId: keyId }, mayPass: true },
  { query: { subjectKind: 'account', subjectId: accountId }, mayPass: true },
  { query: { organizationId } },
];
const ownBudget = { meter: 'tokens', window: 'hour', limit: 1 };

/** For each route that callers bound to an organization may come to: how they might reach into another one. */
const attempts: Record<string, Attempts> = {
  reportCompromisedApiKey: byKey({ rotate: true }),
  getCaller: () => [{ mayPass: true }],
  listOwnOrganizations: () => [{ mayPass: true }],
  listOrganizations: ({ slug }) => [{ mayPass: true }, { query: { slug }, mayPass: true }],
  getOrganization: below(),
  changeOrganization: below({ body: { name: 'Taken' } }),
  listMembers: below(),
  getMember: below({}, ['accountId']),
  addMember: below({}, ['accountId']),
  removeMember: below({ mayPass: true }, ['accountId']),
  listInvitations: below(),
  createInvitation: (there, own) => [
    ...below({ body: { email: 'somebody@example.com' } })(there, own),
    {
      params: { organizationId: own.organizationId },
      body: { email: 'somebody@example.com', teamId: there.teamId },
    },
  ],
  revokeInvitation: below({}, ['invitationId']),
  resendInvitation: below({}, ['invitationId']),
  listTeams: below(),
  createTeam: below({ body: { name: 'Taken' } }),
  getTeam: below({}, ['teamId']),
  changeTeam: below({ body: { name: 'Taken' } }, ['teamId']),
  deleteTeam: below({}, ['teamId']),
  listTeamMembers: below({}, ['teamId']),
  addTeamMember: (there, own) => [
    ...below({}, ['teamId', 'accountId'])(there, own),
    { params: { organizationId: own.organizationId, teamId: own.teamId, accountId: there.accountId } },
    { params: { organizationId: own.organizationId, teamId: there.teamId, accountId: own.accountId } },
  ],
  removeTeamMember: (there, own) => [
    ...below({}, ['teamId', 'accountId'])(there, own),
    {
      params: { organizationId: own.organizationId, teamId: own.teamId, accountId: there.accountId },
      mayPass: true,
    },
  ],
  listRoles: ({ organizationId }) => [{ mayPass: true }, { query: { organizationId } }],
  createRole: ({ organizationId, roleId }) => [
    { body: { name: 'taken', organizationId } },
    { body: { name: 'taken', parents: [roleId] } },
  ],
  getRole: byRole(),
  changeRole: (there, own) => [
    ...byRole({ body: { description: 'Taken' } })(there, own),
    { params: { roleId: own.roleId }, body: { parents: [there.roleId] } },
  ],
  deleteRole: byRole(),
  listRoleAssignments: (there, own) => [
    ...byRole()(there, own),
    { params: { roleId: own.roleId }, query: { organizationId: there.organizationId } },
    { params: { roleId: own.roleId }, mayPass: true },
  ],
  assignRole: assigning,
  unassignRole: assigning,
  listSubjectRoles: aboutSubjects({}, true),
  getEffectivePermissions: aboutSubjects(),
  explainAccess: aboutSubjects({ action: 'read', resource: 'todo' }),
  listResources: ({ organizationId }) => [{ mayPass: true }, { query: { organizationId } }],
  putResources: ({ organizationId, resourceId }) => [
    { query: { organizationId }, body: { resources: [{ type: 'todo', id: resourceId, properties: {} }] } },
  ],
  getResource: ofResource(),
  // One of the same name, in the organization of the caller, which may then be deleted.
  putResource: ofResource({ body: { properties: {} }, mayPass: true }),
  deleteResource: ofResource({ mayPass: true }),
  verifyCredential: ({ secret }) => [{ body: { credential: secret }, mayPass: true }],
  listBudgets: ({ organizationId, keyId }) => [
    { mayPass: true },
    { query: { scopeKind: 'api-key', scopeId: keyId }, mayPass: true },
    { query: { organizationId } },
  ],
  setBudget: (there, own) => [
    ...scopesOf(there).map((scope) => ({ body: { ...ownBudget, scope } })),
    {
      body: {
        ...ownBudget,
        scope: { kind: 'account', id: own.accountId },
        organizationId: there.organizationId,
      },
    },
  ],
  getBudget: byBudget(),
  changeBudget: byBudget({ limit: 1 }),
  deleteBudget: byBudget(),
  listBudgetWindows: byBudget(),
  adjustBudget: byBudget({ used: 7 }),
  listMeters: () => [{ mayPass: true }],
  // What has no budget that the caller could see has nothing to reserve.
  reserveBudgets: (there) => [
    ...scopesOf(there).map((scope) => ({
      body: { scopes: [scope], amounts: { tokens: 1 } },
      mayPass: true as const,
    })),
    { body: { scopes: scopesOf(there), amounts: { tokens: 1 }, organizationId: there.organizationId } },
  ],
  settleReservation: byReservation({ amounts: { tokens: 1 } }),
  releaseReservation: byReservation(),
  listUsage: usageLists,
  exportUsage: usageLists,
  ...keyRoutes(''),
  ...keyRoutes('Own'),
};

const routes = () => managementRoutes(gatehouse.services);
const open = () => routes().filter(({ tenancy }) => tenancy === 'organization');
const nameOf = ({ method, path }: Route) => `${method} ${path}`;

async function send(
  route: Route,
  { params = {}, query = {}, body }: Attempt,
  headers: Record<string, string>,
) {
  const path = route.path.replace(/:(\w+)/g, (_all, name) => encodeURIComponent(params[name] ?? 'absent'));
  const response = await fetch(`${gatehouse.issuer}/api/v1${path}?${new URLSearchParams(query)}`, {
    method: route.method,
    headers: {
      ...headers,
      ...(needsVersion(route) ? { 'If-Match': '*' } : {}),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}

/** The answer without what tells one request from another: its id, its time, and the ids that were sent. */
function plain(text: string, sent: Things): string {
  let seen = text.replace(/"requestId":"[^"]*"/, '').replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'time');
  for (const [name, id] of Object.entries(sent)) seen = seen.replaceAll(id, name);
  return seen;
}

/** Ids and names of the other organization that the caller has not sent itself. */
function shownOf(other: Things, text: string, attempt: Attempt): string[] {
  const { params, query, body } = attempt;
  const sent = JSON.stringify([params, query, body]);
  let seen = text;
  const values = [...Object.values(other), MARK].sort((a, b) => b.length - a.length);
  for (const value of values) if (sent.includes(`"${value}"`)) seen = seen.replaceAll(value, '');
  return values.filter((value) => seen.includes(value));
}

/** All that the database holds of an organization, but for what is written about requests. */
async function rowsOf({ slug: _slug, secret: _secret, ...ids }: Things) {
  const { db } = gatehouse.database;
  const tables: string[] = await db('pg_tables')
    .where({ schemaname: 'public' })
    .orderBy('tablename')
    .pluck('tablename');
  const rows: Record<string, string[]> = {};
  for (const table of tables.filter((name) => !/^(audit_|changed_keys|idempotency|limit_)/.test(name))) {
    const found = await db.raw<{ rows: { row: string }[] }>(
      `select t::text as row from ?? t where t::text ~ ? order by 1`,
      [table, Object.values(ids).join('|')],
    );
    if (found.rows.length > 0) rows[table] = found.rows.map(({ row }) => row);
  }
  return rows;
}

describe('a caller that is bound to an organization', () => {
  it('has an attempt here for each route that it may come to', () => {
    const operations = open().map(({ operation }) => operation);
    expect(operations.sort()).toEqual(Object.keys(attempts).sort());
  });

  it('comes to no route that is not for organizations', async () => {
    for (const [who, headers] of Object.entries(ready().callers)) {
      const closed = routes().filter(
        ({ tenancy, permission }) => tenancy === undefined && permission !== 'public',
      );
      const outcomes = [];
      for (const route of closed) {
        const { status, text } = await send(route, {}, headers);
        outcomes.push([who, nameOf(route), status, JSON.parse(text).code]);
      }
      const refused = closed.map((route) => [who, nameOf(route), 403, 'organization_bound']);
      expect(outcomes).toEqual(refused);
      expect(outcomes.length).toBeGreaterThan(20);
    }
  });

  it('finds its own organization where it finds no other one', async () => {
    const { own, callers } = ready();
    for (const [who, headers] of Object.entries(callers)) {
      for (const [operation, params] of [
        ['getOrganization', { organizationId: own.organizationId }],
        ['getTeam', { organizationId: own.organizationId, teamId: own.teamId }],
        ['getRole', { roleId: own.roleId }],
        ['getApiKey', { id: own.keyId }],
        ['getResource', { type: 'todo', id: own.resourceId }],
      ] as const) {
        const route = open().find((one) => one.operation === operation);
        expect([who, operation, route && (await send(route, { params }, headers)).status]).toEqual([
          ...[who, operation, 200],
        ]);
      }
    }
  });

  it('gets, sees and changes nothing of another organization by any route', async () => {
    const { own, other, absent, callers } = ready();
    const before = await rowsOf(other);
    expect(Object.keys(before)).toEqual(
      expect.arrayContaining([
        'access_resources',
        'api_keys',
        'organizations',
        'roles',
        'team_members',
        'teams',
      ]),
    );
    const wrong: string[] = [];
    for (const [who, headers] of Object.entries(callers)) {
      for (const route of open()) {
        const there = attempts[route.operation]?.(other, own) ?? [];
        const nowhere = attempts[route.operation]?.(absent, own) ?? [];
        for (const [at, attempt] of there.entries()) {
          const reply = await send(route, attempt, headers);
          const same = await send(route, nowhere[at] ?? {}, headers);
          const name = `${who}, ${nameOf(route)} ${JSON.stringify(attempt)}`;
          const answered = `${reply.status} ${plain(reply.text, other)}`;
          const expected = `${same.status} ${plain(same.text, absent)}`;
          const mayBe = [
            403,
            404,
            ...(attempt.mayPass ? [200, 201, 204] : []),
            ...(attempt.isInvalid ? [400] : []),
          ];
          if (!mayBe.includes(reply.status)) wrong.push(`${name} answers ${answered}`);
          if (answered !== expected)
            wrong.push(`${name}: ${answered}, and for what is not there ${expected}`);
          const shown = shownOf(other, reply.text, attempt);
          if (shown.length > 0) wrong.push(`${name} shows ${shown} in ${reply.text}`);
        }
      }
      // After each caller, so that what one has changed is not put down to the next.
      expect(await rowsOf(other)).toEqual(before);
    }
    expect(wrong).toEqual([]);
  });
});
