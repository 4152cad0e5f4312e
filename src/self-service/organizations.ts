// Where one is a member, what one is invited to, and the way out of an organization.
import { z } from 'zod';
import type { Access } from '../access/access.ts';
import type { Dates } from '../lib/dates.ts';
import type { AccountId } from '../lib/ids.ts';
import type { AccountOrganization, Organizations } from '../organizations/organizations.ts';
import { failure } from '../platform/errors.ts';
import {
  accountPage,
  type Page,
  type PageInput,
  type PageResult,
  type Person,
} from '../platform/http/page.ts';
import type { Registration } from '../registration/registration.ts';

export interface OrganizationPageDeps {
  access: Pick<Access, 'factsOf'>;
  organizations: Pick<
    Organizations,
    'known' | 'organizationsOf' | 'removeMember' | 'listMembers' | 'findMember'
  >;
  registration: { invitations: Pick<Registration['invitations'], 'pendingOf' | 'answer'> };
}

const PATH = '/account/organizations';
const PAGE = 50;
/** More members are not looked through for somebody else who could manage the organization. */
const MOST_MEMBERS = 1000;
/** Whoever may do this there says who is a member. */
const MANAGING = 'organizations:update';

const Params = z.object({ id: z.string().max(64) });
const Answer = z.object({ invitation: z.string().max(64), answer: z.enum(['accept', 'decline']) });
const cursor = z.string().max(200).optional().catch(undefined);

type Input = Pick<PageInput<unknown, unknown, unknown>, 't'> & {
  readonly person: Person;
  readonly dates: Dates;
};

export function organizationPages(deps: OrganizationPageDeps): Page[] {
  return [
    accountPage({
      method: 'GET',
      path: PATH,
      limit: 'page',
      query: z.object({ cursor }),
      run: (input) => show(input, deps, { cursor: input.query.cursor }),
    }),

    accountPage({
      method: 'POST',
      path: `${PATH}/invitations`,
      limit: 'page',
      form: Answer,
      async run(input) {
        const { person, form } = input;
        const { answer } = deps.registration.invitations;
        const isDone = form !== undefined && (await answer(form.invitation, form.answer, person.accountId));
        // Taken back, too old, or of an address that is not theirs: one answer.
        if (!isDone) return show(input, deps, { error: input.t('invitation.over.heading') });
        const done = form.answer === 'accept' ? 'invitation-accepted' : 'invitation-declined';
        return { kind: 'redirect', to: `${PATH}?done=${done}` };
      },
    }),

    ...leavingPages(deps),
  ];
}

/** It asks first: the way back is for others to open. */
function leavingPages(deps: OrganizationPageDeps): Page[] {
  const path = `${PATH}/:id/leave`;
  return [
    accountPage({
      method: 'GET',
      path,
      limit: 'page',
      params: Params,
      async run({ person: { accountId }, params: { id } }) {
        const membership = await membershipIn(accountId, id, deps);
        return view('leave', 'organizations.leave.title', {
          name: membership.name,
          isLast: await isLastManager(accountId, id, deps),
          action: `${PATH}/${membership.organizationId}/leave`,
          cancel: PATH,
        });
      },
    }),
    accountPage({
      method: 'POST',
      path,
      limit: 'page',
      params: Params,
      async run({ person: { accountId }, params: { id } }) {
        const by = { kind: 'account', id: accountId } as const;
        // One answer for one that there is not, and one where they are no member.
        if ((await deps.organizations.findMember(id, accountId)) === undefined) {
          throw failure('organization_not_found');
        }
        await deps.organizations.removeMember(id, accountId, by);
        return { kind: 'redirect', to: `${PATH}?done=organization-left` };
      },
    }),
  ];
}

function view(name: string, title: string, model: object, status = 200): PageResult {
  return {
    kind: 'view',
    view: `self-service/organizations/${name}`,
    title,
    nav: 'organizations',
    model,
    status,
  };
}

async function show(
  { person: { accountId }, t, dates }: Input,
  deps: OrganizationPageDeps,
  shown: { cursor?: string | undefined; error?: string },
): Promise<PageResult> {
  const [page, invitations] = await Promise.all([
    deps.organizations.organizationsOf(accountId, {}, { limit: PAGE, cursor: shown.cursor ?? null }),
    deps.registration.invitations.pendingOf(accountId),
  ]);
  const memberships = page?.items ?? [];
  const roles = await rolesOf(accountId, memberships, deps);
  const model = {
    error: shown.error ?? null,
    invitations: invitations.map(({ id, organizationName, teamName, expiresAt }) => ({
      icon: 'mail',
      title: organizationName,
      lines: [
        ...(teamName === null ? [] : [t('organizations.team', { team: teamName })]),
        t('organizations.invitation.until', { day: dates.day(expiresAt) }),
      ],
      actions: [
        answerTo(id, 'accept', t('invitation.accept'), organizationName),
        answerTo(id, 'decline', t('invitation.decline'), organizationName),
      ],
    })),
    memberships: memberships.map((one) => rowOf(one, roles.get(one.organizationId) ?? [], { t, dates })),
    first: shown.cursor === undefined ? null : PATH,
    next: page?.nextCursor && `${PATH}?${new URLSearchParams({ cursor: page.nextCursor })}`,
  };
  return view('list', 'organizations.title', model, shown.error === undefined ? 200 : 409);
}

function answerTo(invitation: string, answer: 'accept' | 'decline', label: string, hidden: string) {
  return { label, hidden, action: `${PATH}/invitations`, fields: { invitation, answer } };
}

function rowOf(
  { organizationId, name, status, teams, since }: AccountOrganization,
  roles: readonly string[],
  { t, dates }: Pick<Input, 't' | 'dates'>,
) {
  return {
    icon: 'people',
    title: name,
    lines: [
      ...(roles.length === 0 ? [] : [t('organizations.roles', { roles: roles.join(', ') })]),
      ...(teams.length === 0
        ? []
        : [t('organizations.teams', { teams: teams.map((team) => team.name).join(', ') })]),
      t('organizations.since', { day: dates.day(since) }),
    ],
    ...(status === 'suspended' && { badge: { kind: 'warn', text: t('organizations.suspended') } }),
    actions: [{ label: t('organizations.leave'), hidden: name, href: `${PATH}/${organizationId}/leave` }],
  };
}

/** From memory; those that one has everywhere are not told again for each. */
async function rolesOf(
  accountId: AccountId,
  memberships: readonly AccountOrganization[],
  { access }: OrganizationPageDeps,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const subject = { kind: 'account', id: accountId } as const;
  const everywhere = (await access.factsOf(subject, null))?.roles ?? [];
  const roles = memberships.map(async ({ organizationId }) => {
    const facts = await access.factsOf(subject, organizationId);
    return [organizationId, (facts?.roles ?? []).filter((role) => !everywhere.includes(role))] as const;
  });
  return new Map(await Promise.all(roles));
}

async function membershipIn(
  accountId: AccountId,
  organizationId: string,
  { organizations }: OrganizationPageDeps,
): Promise<AccountOrganization> {
  const page = await organizations.organizationsOf(accountId, { organizationId }, { limit: 1, cursor: null });
  const [membership] = page?.items ?? [];
  if (membership === undefined) throw failure('organization_not_found');
  return membership;
}

/** Whether nobody who stays could say who is a member. Whoever manages all organizations is not counted: they are no members. */
async function isLastManager(
  accountId: AccountId,
  organizationId: string,
  { access, organizations }: OrganizationPageDeps,
): Promise<boolean> {
  const manages = async (id: string) =>
    (await access.factsOf({ kind: 'account', id }, organizationId))?.permissions.covers(MANAGING) === true;
  if (!(await manages(accountId))) return false;
  let cursor: string | null = null;
  for (let seen = 0; seen < MOST_MEMBERS; seen += PAGE) {
    const page: Awaited<ReturnType<typeof organizations.listMembers>> = await organizations.listMembers(
      organizationId,
      { limit: PAGE, cursor },
    );
    const others = page.items.filter((one) => one.accountId !== accountId && one.status === 'active');
    const managing = await Promise.all(others.map((one) => manages(one.accountId)));
    if (managing.includes(true)) return false;
    cursor = page.nextCursor;
    if (cursor === null) return true;
  }
  return false;
}
