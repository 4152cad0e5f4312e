// Every route of the management API, from the route table itself: who may not, what is refused, what is written down, and
// that what is documented is what is answered.
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { asOperator } from '../src/access/access.ts';
import { managementRoutes } from '../src/app.ts';
import type { MailTemplate } from '../src/messages/messages.ts';
import { pathOf, type Route } from '../src/platform/api/route.ts';
import { needsVersion } from '../src/platform/api/versions.ts';
import { permissions } from '../src/vocabulary/permissions.ts';
import { relyingParty } from './flows/relying-party.ts';
import { addAuthenticator } from './support/factors.ts';
import { useGatehouse } from './support/gatehouse.ts';
import { problemsOf, undocumented } from './support/json-schema.ts';
import { callsBy, type Machine, machine, type Reply } from './support/management.ts';
import { createApi, createClient, createPerson, operator } from './support/people.ts';

// Most tests here call every route there is.
vi.setConfig({ testTimeout: 120_000 });

const wide = { LIMIT_ADMIN_READ_PER_MINUTE: '1000000', LIMIT_ADMIN_WRITE_PER_MINUTE: '1000000' };
const gatehouse = useGatehouse({ settings: { ...wide, SIGNING_KEY_PUBLISH_DELAY_SECONDS: '0' } });
const made: { all?: Machine; document?: Document } = {};
const call = callsBy(gatehouse, () => {
  if (!made.all) throw new Error('the machine is made before the tests');
  return made.all;
});

interface Document {
  paths: Record<string, Record<string, { responses: Record<string, Response> }>>;
}
interface Response {
  content?: Record<string, { schema: Record<string, unknown> }>;
}

/** What a good call of each route sends: made anew for each call, so that no test depends on another. */
interface Example {
  params?: Record<string, string> | undefined;
  body?: unknown;
}

let count = 0;
const next = () => {
  count += 1;
  return count;
};
const account = async () => ({ id: (await createPerson(gatehouse.services)).id });
const suspended = async () => {
  const { id } = await createPerson(gatehouse.services);
  await gatehouse.services.accounts.suspend(id, null, operator);
  return { id };
};
const toDelete = async () => {
  const { id } = await createPerson(gatehouse.services);
  await gatehouse.services.deletion.request(id);
  return { id };
};
const locked = async () => {
  const { services } = gatehouse;
  const person = await createPerson(services);
  for (let turn = 0; turn < 25; turn += 1) await services.lockout.reserve(person.email ?? '');
  return { id: person.id };
};
const client = async () => ({ id: (await createClient(gatehouse.services)).client.id });
const secret = async () => {
  const { id } = await client();
  const [first] = await gatehouse.services.clients.listSecrets(id);
  return { id, secretId: first?.id ?? '' };
};
const api = async () => ({ id: (await createApi(gatehouse.services)).id });
const resource = async () => {
  const name = { type: 'note', id: `n${next()}` };
  await gatehouse.services.resources.put({ ...name, organizationId: null }, {}, operator);
  return name;
};
const newKey = () => ({ name: `Key ${next()}`, permissions: ['api-keys:read'] });
const keyOf = async (owner: { kind: 'client' | 'account'; id: string }) => {
  const as = { by: operator, within: {} };
  const { key } = await gatehouse.services.apiKeys.create({ ...newKey(), owner }, as);
  return { id: key.id };
};
const key = async () =>
  keyOf({ kind: 'account', id: (await createPerson(gatehouse.services, { admin: true })).id });
const disabled = async (id: string) => {
  await gatehouse.services.apiKeys.disable(id, { by: operator, within: {} });
  return { id };
};
const ownKey = async () => keyOf({ kind: 'client', id: made.all?.clientId ?? '' });
const nextKey = async () => {
  const keys = await gatehouse.services.signingKeys.list();
  return { kid: keys.find(({ state }) => state === 'next')?.kid ?? '' };
};
const one = { limit: 1, cursor: null };
const signedIn = async () => {
  const person = await createPerson(gatehouse.services);
  // Nobody answers there, so what is to be told stays to be told.
  const app = await relyingParty(gatehouse, { backchannelLogoutUri: 'http://127.0.0.1:9/logout' });
  await app.signIn(person);
  return { accountId: person.id };
};
const session = async () => {
  const { items } = await gatehouse.services.sessions.list(await signedIn(), one);
  return { id: items[0]?.id ?? '' };
};
const grant = async () => {
  const { items } = await gatehouse.services.sessions.listGrants(await signedIn(), one);
  return { id: items[0]?.id ?? '' };
};
const delivery = async () => {
  const { sessions } = gatehouse.services;
  await sessions.end((await session()).id, operator);
  const { items } = await sessions.listDeliveries({}, one);
  return { id: items[0]?.id ?? '' };
};

const message = async () => {
  const { messages, postgres } = gatehouse.services;
  // One that this release cannot write, so that it still waits.
  const template = 'of-another-release' as MailTemplate;
  const head = { channel: 'mail', to: 'ada@example.com', accountId: null, locale: null, values: {} } as const;
  await messages.send(postgres.db, { ...head, template });
  const { items } = await messages.list({}, one);
  return { id: items[0]?.id ?? '' };
};

const withFactor = async () => {
  const person = await createPerson(gatehouse.services);
  await addAuthenticator(gatehouse.services, person);
  return { id: person.id };
};
const everything = asOperator(operator);
const role = async () => {
  const input = { name: `role-${next()}`, permissions: ['apis:read'] };
  return { roleId: (await gatehouse.services.access.createRole(input, everything)).id };
};
const assigned = async () => {
  const { roleId } = await role();
  const { id } = await account();
  const subject = { kind: 'account', id } as const;
  await gatehouse.services.access.assign({ roleId, subject, organizationId: null }, everything);
  return { roleId, subjectKind: 'account', subjectId: id };
};
const subject = async () => ({ subjectKind: 'account', subjectId: (await account()).id });

const organization = async () => {
  const fields = { slug: `made-${next()}`, name: 'Made' };
  return { organizationId: (await gatehouse.services.organizations.create(fields, operator)).id };
};
const suspendedOrganization = async () => {
  const { organizationId } = await organization();
  await gatehouse.services.organizations.suspend(organizationId, null, operator);
  return { organizationId };
};
const member = async () => {
  const { organizationId } = await organization();
  const accountId = (await account()).id;
  await gatehouse.services.organizations.addMember(organizationId, accountId, operator);
  return { organizationId, accountId };
};
const team = async () => {
  const { organizationId } = await organization();
  const { id } = await gatehouse.services.organizations.createTeam(
    organizationId,
    { name: 'Crew' },
    operator,
  );
  return { organizationId, teamId: id };
};
const outsideTeam = async () => {
  const params = await member();
  const { organizationId } = params;
  const { id } = await gatehouse.services.organizations.createTeam(
    organizationId,
    { name: 'Crew' },
    operator,
  );
  return { ...params, teamId: id };
};
const teamMember = async () => {
  const params = await outsideTeam();
  const { organizationId, teamId, accountId } = params;
  await gatehouse.services.organizations.addTeamMember(organizationId, teamId, accountId, operator);
  return params;
};

const scope = async () => ({ kind: 'account', id: (await account()).id }) as const;
const budget = async () => {
  const input = { scope: await scope(), meter: 'requests', window: 'day', limit: 100 } as const;
  return { id: (await gatehouse.services.budgets.set(input, operator)).budget.id };
};
const reservation = async () => {
  const { budgets } = gatehouse.services;
  const one = await scope();
  await budgets.set({ scope: one, meter: 'tokens', window: 'day', limit: 100 }, operator);
  const made = await budgets.reserve({ scopes: [one], amounts: { tokens: 5n }, expiresInSeconds: 60 });
  return { id: 'reservationId' in made ? String(made.reservationId) : '' };
};
const meter = async () => {
  const name = `meter-${next()}`;
  await gatehouse.services.budgets.addMeter({ name, sentence: 'Made.' }, operator);
  return { name };
};

const registrationCode = async () => {
  const input = { maximumUses: 1, expiresAt: null };
  const { registrationCode: one } = await gatehouse.services.registration.codes.create(input, operator);
  return { id: one.id };
};
const invitation = async () => {
  const { organizationId } = await organization();
  const input = { email: `invited${next()}@example.com` };
  const { id } = await gatehouse.services.registration.invitations.create(organizationId, input, operator);
  return { organizationId, invitationId: id };
};

const examples: Record<string, () => Promise<Example>> = {
  createRegistrationCode: async () => ({ body: { maximumUses: 10, note: 'Made' } }),
  revokeRegistrationCode: async () => ({ params: await registrationCode() }),
  listInvitations: async () => ({ params: await organization() }),
  createInvitation: async () => ({
    params: await organization(),
    body: { email: `invited${next()}@example.com` },
  }),
  revokeInvitation: async () => ({ params: await invitation() }),
  resendInvitation: async () => ({ params: await invitation() }),
  createAccount: async () => ({ body: { email: `made${next()}@example.com` } }),
  getAccount: async () => ({ params: await account() }),
  changeAccount: async () => ({ params: await account(), body: { name: 'Renamed' } }),
  deleteAccount: async () => ({ params: await account() }),
  suspendAccount: async () => ({ params: await account(), body: { reason: 'left' } }),
  reinstateAccount: async () => ({ params: await suspended() }),
  keepAccount: async () => ({ params: await toDelete() }),
  getSignInState: async () => ({ params: await locked() }),
  releaseAccount: async () => ({ params: await locked() }),
  resetPassword: async () => ({ params: await account(), body: { endNow: true } }),
  requirePasswordChange: async () => ({ params: await account(), body: {} }),
  releaseAddress: async () => ({ body: { address: '192.0.2.77' } }),
  createClient: async () => ({ body: { kind: 'machine', name: `Made ${next()}` } }),
  getClient: async () => ({ params: await client() }),
  changeClient: async () => ({ params: await client(), body: { name: 'Renamed' } }),
  deleteClient: async () => ({ params: await client() }),
  listClientSecrets: async () => ({ params: await client() }),
  addClientSecret: async () => ({ params: await client(), body: {} }),
  retireClientSecret: async () => ({ params: await secret() }),
  createApi: async () => ({ body: { audience: `https://made${next()}.example`, name: 'Made' } }),
  getApi: async () => ({ params: await api() }),
  changeApi: async () => ({ params: await api(), body: { name: 'Renamed' } }),
  deleteApi: async () => ({ params: await api() }),
  putResources: async () => ({ body: { resources: [{ type: 'note', id: `n${next()}` }] } }),
  getResource: async () => ({ params: await resource() }),
  putResource: async () => ({
    params: { type: 'note', id: `n${next()}` },
    body: { properties: { owner: 'anna' } },
  }),
  deleteResource: async () => ({ params: await resource() }),
  createApiKey: async () => ({ body: newKey() }),
  getApiKey: async () => ({ params: await key() }),
  listApiKeyFamily: async () => ({ params: await key() }),
  changeApiKey: async () => ({ params: await key(), body: { name: 'Renamed' } }),
  rotateApiKey: async () => ({ params: await key(), body: { overlapSeconds: 60 } }),
  disableApiKey: async () => ({ params: await key() }),
  enableApiKey: async () => ({ params: await disabled((await key()).id) }),
  revokeApiKey: async () => ({ params: await key(), body: { reason: 'no longer needed' } }),
  reportCompromisedApiKey: async () => ({ params: await key(), body: { reason: 'seen in a log' } }),
  createOwnApiKey: async () => ({ body: newKey() }),
  getOwnApiKey: async () => ({ params: await ownKey() }),
  listOwnApiKeyFamily: async () => ({ params: await ownKey() }),
  changeOwnApiKey: async () => ({ params: await ownKey(), body: { name: 'Renamed' } }),
  rotateOwnApiKey: async () => ({ params: await ownKey(), body: {} }),
  disableOwnApiKey: async () => ({ params: await ownKey() }),
  enableOwnApiKey: async () => ({ params: await disabled((await ownKey()).id) }),
  revokeOwnApiKey: async () => ({ params: await ownKey(), body: {} }),
  createRole: async () => ({ body: { name: `made-${next()}`, permissions: ['apis:read'] } }),
  getRole: async () => ({ params: await role() }),
  changeRole: async () => ({ params: await role(), body: { description: 'Changed' } }),
  deleteRole: async () => ({ params: await role() }),
  listRoleAssignments: async () => ({ params: await role() }),
  assignRole: async () => ({ params: { ...(await assigned()), ...(await subject()) } }),
  unassignRole: async () => ({ params: await assigned() }),
  listSubjectRoles: async () => ({ params: await subject() }),
  getEffectivePermissions: async () => ({ params: await subject() }),
  explainAccess: async () => ({ params: { ...(await subject()), action: 'read', resource: 'notes:7' } }),
  createOrganization: async () => ({ body: { slug: `made-${next()}`, name: 'Made' } }),
  getOrganization: async () => ({ params: await organization() }),
  changeOrganization: async () => ({ params: await organization(), body: { name: 'Renamed' } }),
  deleteOrganization: async () => ({ params: await organization() }),
  suspendOrganization: async () => ({ params: await organization(), body: { reason: 'unpaid' } }),
  reinstateOrganization: async () => ({ params: await suspendedOrganization() }),
  listAccountOrganizations: async () => ({ params: { id: (await member()).accountId } }),
  listMembers: async () => ({ params: await member() }),
  getMember: async () => ({ params: await member() }),
  addMember: async () => ({ params: { ...(await organization()), accountId: (await account()).id } }),
  removeMember: async () => ({ params: await member() }),
  listTeams: async () => ({ params: await organization() }),
  createTeam: async () => ({ params: await organization(), body: { name: 'Crew' } }),
  getTeam: async () => ({ params: await team() }),
  changeTeam: async () => ({ params: await team(), body: { name: 'Renamed' } }),
  deleteTeam: async () => ({ params: await team() }),
  listTeamMembers: async () => ({ params: await team() }),
  addTeamMember: async () => ({ params: await outsideTeam() }),
  removeTeamMember: async () => ({ params: await teamMember() }),
  setBudget: async () => ({
    body: { scope: await scope(), meter: 'money', window: 'month', limit: 5_000_000, softLimit: '4000000' },
  }),
  getBudget: async () => ({ params: await budget() }),
  changeBudget: async () => ({ params: await budget(), body: { limit: 50 } }),
  deleteBudget: async () => ({ params: await budget() }),
  listBudgetWindows: async () => ({ params: await budget() }),
  adjustBudget: async () => ({ params: await budget(), body: { used: 7 } }),
  reserveBudgets: async () => ({ body: { scopes: [await scope()], amounts: { tokens: 5 } } }),
  settleReservation: async () => ({ params: await reservation(), body: { amounts: { tokens: 3 } } }),
  releaseReservation: async () => ({ params: await reservation() }),
  addMeter: async () => ({ body: { name: `meter-${next()}`, sentence: 'Made.' } }),
  removeMeter: async () => ({ params: await meter() }),
  rotateSigningKeys: async () => ({ body: { force: true } }),
  withdrawSigningKey: async () => ({ params: await nextKey() }),
  reportAccess: async () => ({
    body: { action: 'read', resource: { kind: 'file', id: 'a' }, outcome: 'denied' },
  }),
  runJob: async () => ({ params: { name: 'audit-partitions' } }),
  getSession: async () => ({ params: await session() }),
  endSessions: async () => ({ body: { accountId: (await account()).id } }),
  revokeGrant: async () => ({ params: await grant() }),
  retryLogoutDelivery: async () => ({ params: await delivery() }),
  getMessage: async () => ({ params: await message() }),
  retryMessage: async () => ({ params: await message() }),
  endSession: async () => ({ params: await session() }),
  listFactors: async () => ({ params: await withFactor() }),
  resetFactors: async () => ({ params: await withFactor(), body: { reason: 'showed a passport' } }),
  renameOwnFactor: async () => ({ params: { id: 'fac_0' }, body: { name: 'Renamed' } }),
  removeOwnFactor: async () => ({ params: { id: 'fac_0' } }),
  beginOwnTotp: async () => ({}),
  verifyOwnTotp: async () => ({ body: { enrolment: 'x', code: '123456', name: 'App' } }),
  beginOwnSms: async () => ({ body: { phoneNumber: '+43 660 1234567' } }),
  verifyOwnSms: async () => ({ body: { code: '12345678', name: 'Mobile' } }),
  beginOwnMail: async () => ({ body: {} }),
  verifyOwnMail: async () => ({ body: { code: '12345678', name: 'Mailbox' } }),
  renewOwnRecoveryCodes: async () => ({}),
  verifyCredential: async () => ({ body: { credential: 'nothing that is known' } }),
};

beforeAll(async () => {
  made.all = await machine(gatehouse);
  made.document = (await call('GET', '/openapi.json', { token: null })).body;
});

// The table itself needs a running server, so the tests of each route are loops and not tests of their own.
const routes = () => managementRoutes(gatehouse.services);
const nameOf = ({ method, path }: Route) => `${method} ${path}`;

async function each(some: Route[], run: (route: Route) => Promise<unknown>): Promise<unknown[]> {
  const outcomes = [];
  for (const route of some) outcomes.push(`${nameOf(route)} ${JSON.stringify(await run(route))}`);
  return outcomes;
}

async function send(route: Route, example: Example, more: Parameters<typeof call>[2] = {}): Promise<Reply> {
  const ifMatch = needsVersion(route) ? { 'If-Match': '*' } : {};
  return call(route.method, addressOf(route, example.params), {
    ...(example.body === undefined ? {} : { body: example.body }),
    ...more,
    headers: { ...ifMatch, ...more.headers },
  });
}

/** Who has signed in a moment ago, with both factors. */
async function tokenOfAdministrator(): Promise<string> {
  const admin = await createPerson(gatehouse.services, { admin: true });
  const audience = `${gatehouse.issuer}/api`;
  const app = await relyingParty(gatehouse, { firstParty: true, apis: [{ audience, permissions: ['*'] }] });
  const scope = `openid ${Object.keys(permissions).join(' ')}`;
  return (await app.signIn(admin, { resource: audience, scope })).tokens.access_token;
}

const addressOf = (route: Route, params: Record<string, string> = {}) =>
  route.path.replace(/:(\w+)/g, (_all, name) => encodeURIComponent(params[name] ?? 'absent'));
const statusAndCode = ({ status, body }: Reply) => [status, body?.code];
const all = (some: Route[], outcome: unknown) =>
  some.map((route) => `${nameOf(route)} ${JSON.stringify(outcome)}`);
const example = async (route: Route) => (await examples[route.operation]?.()) ?? {};
const kept = new Map<string, Promise<Example>>();
/** For requests that are refused: they change nothing, so one example does for all of them. */
const lasting = (route: Route): Promise<Example> => {
  const found = kept.get(route.operation) ?? example(route);
  kept.set(route.operation, found);
  return found;
};

describe('the table', () => {
  it('has a name and a permission for each route; without one a route says aloud that it is public', () => {
    const names = routes().map(({ operation }) => operation);
    expect(new Set(names).size).toBe(names.length);
    const words = ['authenticated', 'public', ...Object.keys(permissions)];
    expect(routes().filter(({ permission }) => !words.includes(permission))).toEqual([]);
  });

  it('asks for a permission everywhere but for the answer to "who am I"', () => {
    const open = routes().filter(({ permission }) => !(permission in permissions));
    expect(open.map(nameOf)).toEqual(['GET /me', 'GET /me/organizations']);
  });

  it('asks for a permission to read where it reads, and for another one where it changes', () => {
    const wrong = routes().filter(
      ({ method, permission }) =>
        permission in permissions && (method === 'GET') !== permission.endsWith(':read'),
    );
    expect(wrong.map(nameOf)).toEqual([]);
  });

  it('has an example here for each route that has parameters or changes something', () => {
    const wanted = routes().filter(({ method, path }) => method !== 'GET' || path.includes(':'));
    expect(wanted.map(({ operation }) => operation).sort()).toEqual(Object.keys(examples).sort());
  });
});

describe('every route', () => {
  it('answers 401 without a token, and with one that is not good', async () => {
    for (const headers of [{}, { Authorization: 'Bearer stolen' }]) {
      const outcomes = await each(routes(), async (route) =>
        statusAndCode(await send(route, {}, { token: null, headers })),
      );
      expect(outcomes).toEqual(all(routes(), [401, 'authentication_required']));
    }
  });

  it('answers 403 to a token that has every permission but the one it needs', async () => {
    const some = routes().filter(({ permission }) => permission in permissions);
    const without = new Map<string, Machine>();
    for (const permission of new Set(some.map((route) => String(route.permission)))) {
      const others = Object.keys(permissions).filter((name) => name !== permission);
      without.set(permission, await machine(gatehouse, others));
    }
    const outcomes = await each(some, async (route) => {
      const token = without.get(route.permission)?.token ?? null;
      return statusAndCode(await send(route, await lasting(route), { token }));
    });
    expect(outcomes).toEqual(all(some, [403, 'permission_denied']));
  });

  it('answers 400 to a query field that it does not know, and to one given twice', async () => {
    for (const query of ['?colour=red', '?limit=1&limit=2', '?cursor=%00']) {
      const outcomes = await each(routes(), async (route) => {
        const { body } = await lasting(route);
        const headers = needsVersion(route) ? { 'If-Match': '*' } : {};
        const reply = await call(route.method, `${addressOf(route)}${query}`, {
          headers,
          ...(body === undefined ? {} : { body }),
        });
        return statusAndCode(reply);
      });
      expect(outcomes).toEqual(all(routes(), [400, 'request_invalid']));
    }
  });

  it('answers 400 to a body that it does not take', async () => {
    const some = routes().filter(({ method }) => method !== 'GET');
    for (const body of [{ colour: 'red' }, [], 'text', 7]) {
      const outcomes = await each(some, async (route) => statusAndCode(await send(route, { body })));
      expect(outcomes).toEqual(all(some, [400, 'request_invalid']));
    }
  });

  it('answers 400 to pages of no size, and to cursors and limits that are none', async () => {
    const lists = routes().filter(({ method, query }) => method === 'GET' && query !== undefined);
    for (const query of ['?limit=0', '?limit=101', '?limit=1.5', '?limit=many', '?cursor=made-up']) {
      const outcomes = await each(lists, async (route) =>
        statusAndCode(await call('GET', `${addressOf(route, (await lasting(route)).params)}${query}`)),
      );
      expect(outcomes).toEqual(all(lists, [400, 'request_invalid']));
    }
  });

  it('answers 404 for what there is not: absent ids, ids of another kind, ids of no form at all', async () => {
    // A resource is registered by naming it.
    const some = routes().filter(
      (one) => one.path.includes(':') && one.operation !== 'putResource' && one.sensitive !== true,
    );
    for (const id of [
      'acc_00000000000000000000000000',
      'cli_0000',
      "x' or 1=1",
      '..%2f',
      'x'.repeat(2000),
      '%F0%9F%94%91',
    ]) {
      const outcomes = await each(some, async (route) => {
        const { body } = await lasting(route);
        const params = Object.fromEntries(
          [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => [name ?? '', id]),
        );
        const { status, body: problem } = await send(route, { params, body });
        return [status, /_not_found$/.test(problem?.code)];
      });
      expect(outcomes).toEqual(all(some, [404, true]));
    }
  });

  it('that is sensitive answers 401 to whoever did not sign in as a person, and says how (test/credentials)', async () => {
    const some = routes().filter(({ sensitive }) => sensitive === true);
    const outcomes = await each(some, async (route) => {
      const reply = await send(route, await example(route));
      return [...statusAndCode(reply), /max_age="600"/.test(reply.headers.get('www-authenticate') ?? '')];
    });
    expect(outcomes).toEqual(all(some, [401, 'insufficient_user_authentication', true]));
  });

  it('that gives rights, makes a credential or ends much asks a person for a recent sign-in, a machine for none', async () => {
    const some = routes().filter(({ sensitive }) => sensitive === 'of-people');
    expect(some.map(({ operation }) => operation).sort()).toEqual([
      'addClientSecret',
      'addMember',
      'addTeamMember',
      'assignRole',
      'changeAccount',
      'changeApi',
      'changeApiKey',
      'changeClient',
      'changeOrganization',
      'changeOwnApiKey',
      'changeRole',
      'createAccount',
      'createApiKey',
      'createClient',
      'createInvitation',
      'createOwnApiKey',
      'createRegistrationCode',
      'deleteAccount',
      'deleteApi',
      'deleteClient',
      'deleteOrganization',
      'enableApiKey',
      'enableOwnApiKey',
      'endSessions',
      'reinstateAccount',
      'reinstateOrganization',
      'resetFactors',
      'resetPassword',
      'rotateApiKey',
      'rotateOwnApiKey',
      'rotateSigningKeys',
      'withdrawSigningKey',
    ]);
    const token = await tokenOfAdministrator();
    const { clock } = gatehouse.services;
    const outcomes = await each(some, async (route) => {
      const given = await example(route);
      const later = vi.spyOn(clock, 'now').mockImplementation(() => new Date(Date.now() + 601_000));
      const reply = await send(route, given, { token }).finally(() => later.mockRestore());
      const wanted = reply.headers.get('www-authenticate')?.includes('max_age="600"');
      return [...statusAndCode(reply), wanted];
    });
    expect(outcomes).toEqual(all(some, [401, 'insufficient_user_authentication', true]));
    const fresh = await call('POST', '/me/api-keys', { token, body: { name: 'own', permissions: [] } });
    expect(fresh.status).toBe(201);
  });

  it('with a version answers 428 without If-Match and 412 for a version that is over, and changes nothing', async () => {
    const some = routes().filter(needsVersion);
    const outcomes = await each(some, async (route) => {
      const { params, body } = await example(route);
      const path = addressOf(route, params);
      const before = await call('GET', path);
      const missing = await call(route.method, path, { body });
      const stale = await call(route.method, path, { body, headers: { 'If-Match': '"999"' } });
      const same = JSON.stringify((await call('GET', path)).body) === JSON.stringify(before.body);
      return [...statusAndCode(missing), ...statusAndCode(stale), same, before.headers.get('etag')];
    });
    expect(outcomes).toEqual(all(some, [428, 'precondition_required', 412, 'version_conflict', true, '"1"']));
  });
});

/** A question that does not fit into an address. */
const onlyAsk: Record<string, string> = {
  verifyCredential: 'good ones are counted as usage, refusals have events of their own (test/gateway)',
};

describe('every route that changes something', () => {
  it('writes down in the ledger who did it', async () => {
    const some = routes().filter(
      (one) => one.method !== 'GET' && !(one.operation in onlyAsk) && one.sensitive !== true,
    );
    const quiet: string[] = [];
    for (const route of some) {
      const reply = await send(route, await example(route));
      const requestId = reply.headers.get('x-request-id') ?? '';
      const { items } = await gatehouse.services.audit.list({ requestId }, { limit: 50, cursor: null });
      const byCaller = items.some(({ actor }) => actor.kind === 'client' && actor.id === made.all?.clientId);
      if (reply.status >= 300 || !byCaller)
        quiet.push(`${nameOf(route)} ${reply.status} ${JSON.stringify(reply.body)}`);
    }
    expect(quiet).toEqual([]);
  });
});

describe('the document', () => {
  it('has every route that is mounted, and no other', () => {
    const documented = Object.entries(made.document?.paths ?? {}).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const mounted = routes().map((route) => `${route.method} ${pathOf(route).replace(/:(\w+)/g, '{$1}')}`);
    expect(documented.sort()).toEqual([...mounted, 'GET /api/v1/openapi.json'].sort());
  });

  it('says what is really answered: good answers, and refusals of each kind', async () => {
    const wrong: string[] = [];
    for (const route of routes()) {
      const { params, body } = await example(route);
      const replies = [
        await send(route, { params, body }),
        await send(route, { params, body }, { token: null }),
        await send(route, { params: {}, body }),
        await call(route.method, `${addressOf(route, params)}?colour=red`, {
          body,
          headers: { 'If-Match': '*' },
        }),
      ];
      for (const reply of replies) wrong.push(...mismatches(route, reply));
    }
    expect(wrong).toEqual([]);
  });
});

function mismatches(route: Route, { status, headers, body }: Reply): string[] {
  const documented =
    made.document?.paths[pathOf(route).replace(/:(\w+)/g, '{$1}')]?.[route.method.toLowerCase()];
  const response = documented?.responses[String(status)];
  const name = `${nameOf(route)} ${status}`;
  if (response === undefined) return [`${name} is not documented: ${JSON.stringify(body)}`];
  if (body === undefined) return response.content === undefined ? [] : [`${name} has no body`];
  const schema = response.content?.[headers.get('content-type')?.split(';')[0] ?? '']?.schema;
  if (schema === undefined) return [`${name} has a body of ${headers.get('content-type')}`];
  const extra = status < 300 ? undocumented(body, schema, made.document) : [];
  return [...problemsOf(body, schema, made.document), ...extra].map((problem) => `${name} ${problem}`);
}
