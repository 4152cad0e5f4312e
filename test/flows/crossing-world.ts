// Two organizations with one of everything that belongs to an organization, and credentials that are bound to the first.

import { asOperator } from '../../src/access/access.ts';
import { asOperator as asKeyOperator } from '../../src/api-keys/api-keys.ts';
import { newId } from '../../src/lib/ids.ts';
import type { Services } from '../../src/services.ts';
import { permissions } from '../../src/vocabulary/permissions.ts';
import type { TestServer } from '../support/gatehouse.ts';
import { createPerson, operator } from '../support/people.ts';
import { post, relyingParty } from './relying-party.ts';

/** Ids of things of one organization; or of none: well-formed ids of what does not exist. */
export interface Things {
  organizationId: string;
  slug: string;
  accountId: string;
  teamId: string;
  roleId: string;
  keyId: string;
  /** The string of that key. */
  secret: string;
  /** A key by which the person of the first organization acts in this one. */
  personKeyId: string;
  resourceId: string;
  budgetId: string;
  reservationId: string;
  invitationId: string;
}

/** In every name that belongs to the other organization. */
export const MARK = 'borealis';

/** `guest`: an account of elsewhere that is a member here, too, with the same rights. */
export async function organizationOf(services: Services, mark: string, guest?: string): Promise<Things> {
  const { organizations, access, apiKeys, resources, budgets, usage } = services;
  const { id: organizationId } = await organizations.create({ slug: mark, name: `${mark} works` }, operator);
  const account = await createPerson(services, { email: `someone@${mark}.example` });
  await organizations.addMember(organizationId, account.id, operator);
  const team = await organizations.createTeam(organizationId, { name: `${mark} crew` }, operator);
  await organizations.addTeamMember(organizationId, team.id, account.id, operator);
  const role = await access.createRole(
    { name: `${mark}-everything`, organizationId, permissions: ['*:*'] },
    asOperator(operator),
  );
  if (guest !== undefined) await organizations.addMember(organizationId, guest, operator);
  for (const subject of [
    { kind: 'account', id: account.id },
    { kind: 'account', id: guest ?? account.id },
    { kind: 'team', id: team.id },
  ] as const) {
    await access.assign({ roleId: role.id, subject, organizationId }, asOperator(operator));
  }
  const owner = { kind: 'organization', id: organizationId } as const;
  const { key, secret } = await apiKeys.create(
    { name: `${mark} machine`, permissions: ['*:*'], owner },
    asKeyOperator(operator),
  );
  const person = { kind: 'account', id: guest ?? account.id } as const;
  const { key: personKey } = await apiKeys.create(
    { name: `${mark} errand`, permissions: ['*:*'], owner: person, organizationId },
    asKeyOperator(operator),
  );
  const resourceId = `${mark}-1`;
  await resources.put(
    { organizationId, type: 'todo', id: resourceId },
    { properties: { owner: `someone@${mark}.example` } },
    operator,
  );
  const scope = { kind: 'api-key', id: key.id } as const;
  const { budget } = await budgets.set({ scope, meter: 'tokens', window: 'day', limit: 1000 }, operator);
  const ask = { scopes: [scope], amounts: { tokens: 5n }, by: operator };
  const reserved = await budgets.reserve({ ...ask, expiresInSeconds: 600 });
  const invited = { email: `invited@${mark}.example` };
  const invitation = await services.registration.invitations.create(organizationId, invited, operator);
  usage.count({ apiKeyId: key.id, organizationId }, 'verify');
  await usage.flush();
  return {
    organizationId,
    slug: mark,
    accountId: account.id,
    teamId: team.id,
    roleId: role.id,
    keyId: key.id,
    secret,
    personKeyId: personKey.id,
    resourceId,
    budgetId: budget.id,
    reservationId: ('reservationId' in reserved ? reserved.reservationId : null) ?? 'none',
    invitationId: invitation.id,
  };
}

/** What does not exist, in the forms of what does. */
export function nothing({ secret }: Things): Things {
  return {
    organizationId: newId('org'),
    slug: 'nowhere',
    accountId: newId('acc'),
    teamId: newId('team'),
    roleId: newId('role'),
    keyId: newId('key'),
    personKeyId: newId('key'),
    // Another string of the same length, which no key ever was.
    secret: secret.replace(/[^_]{6}$/, '000000'),
    resourceId: 'nowhere-1',
    budgetId: newId('bud'),
    reservationId: newId('rsv'),
    invitationId: newId('inv'),
  };
}

/** Name → headers: keys that act in the organization, and tokens that are bound to it. */
export async function boundTo(
  gatehouse: TestServer,
  own: Things,
): Promise<Record<string, Record<string, string>>> {
  const { services, issuer } = gatehouse;
  const { secret } = await services.apiKeys.create(
    {
      name: 'in the organization',
      permissions: ['*:*'],
      owner: { kind: 'account', id: own.accountId },
      organizationId: own.organizationId,
    },
    asKeyOperator(operator),
  );
  const resource = services.managementAudience;
  const scope = Object.keys(permissions).join(' ');
  const ofKey = await post(
    `${issuer}/token`,
    { grant_type: 'client_credentials', resource, scope },
    { 'X-API-Key': own.secret },
  );
  const app = await relyingParty(gatehouse, { apis: [{ audience: resource, permissions: ['*'] }] });
  const email = `someone@${own.slug}.example`;
  const asked = { resource, scope: `openid ${scope}`, organization_id: own.organizationId };
  const { tokens } = await app.signIn({ email }, asked);
  return {
    'a key of the organization': { 'X-API-Key': own.secret },
    'a key of a person in the organization': { 'X-API-Key': secret },
    'a token of a key of the organization': { Authorization: `Bearer ${ofKey.body.access_token}` },
    'a token of a person in the organization': { Authorization: `Bearer ${tokens.access_token}` },
  };
}
