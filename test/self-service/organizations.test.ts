// Where one is a member: what is told of it, invitations that are answered without their link, and the way out.
import { describe, expect, it } from 'vitest';
import { asOperator as operatorOfAccess } from '../../src/access/access.ts';
import { asOperator } from '../../src/api-keys/api-keys.ts';
import { createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createPerson, operator, signInAt } from '../support/people.ts';

const server = useGatehouse();
const PATH = '/account/organizations';
const acting = operatorOfAccess(operator);
let count = 0;

async function somebody(verified = true) {
  const person = await createPerson(server.services);
  if (verified) await server.services.accounts.change(person.id, { emailVerified: true }, operator);
  const { browser } = await signInAt(`${server.issuer}${PATH}`, person, createBrowser(server.issuer));
  return { person, browser };
}

const organization = (name: string) => {
  count += 1;
  return server.services.organizations.create({ slug: `place-${count}`, name }, operator);
};

describe('the page of organizations', () => {
  it('says where one is a member, in which teams and roles', async () => {
    const { person, browser } = await somebody();
    const { organizations, access } = server.services;
    expect((await browser.open(PATH)).html).toContain('No organizations');
    const { id } = await organization('Harbour <Office>');
    await organizations.addMember(id, person.id, operator);
    const team = await organizations.createTeam(id, { name: 'Cranes' }, operator);
    await organizations.addTeamMember(id, team.id, person.id, operator);
    const role = await access.createRole(
      { name: 'crane-driver', permissions: ['cranes:move'], organizationId: id },
      acting,
    );
    const subject = { kind: 'account', id: person.id } as const;
    await access.assign({ roleId: role.id, subject, organizationId: id }, acting);
    const { html } = await browser.open(PATH);
    expect(html).toContain('Harbour &lt;Office&gt;');
    expect(html).toContain('Your roles: crane-driver');
    expect(html).toContain('Teams: Cranes');
    expect(html).toMatch(/Member since \d{1,2} \w+ \d{4}/);
  });

  it('lets go of a member after asking, with the keys that act there', async () => {
    const { person, browser } = await somebody();
    const { organizations, apiKeys } = server.services;
    await createApi(server.services);
    const { id } = await organization('Left behind');
    await organizations.addMember(id, person.id, operator);
    const owner = { kind: 'account', id: person.id } as const;
    const input = { name: 'There', permissions: ['notes:read'], owner, organizationId: id };
    const { key } = await apiKeys.create(input, asOperator(operator));
    const sure = await browser.open(`${PATH}/${id}/leave`);
    expect(sure.html).not.toContain('You are the last member');
    const done = await browser.submit(sure, {}, '/leave');
    expect(done.html).toContain('You are not a member there any more.');
    expect(await organizations.findMember(id, person.id)).toBeUndefined();
    expect((await apiKeys.find(key.id, asOperator(operator)))?.revokedAt).not.toBeNull();
    expect((await browser.open(`${PATH}/${id}/leave`)).status).toBe(404);
    const { items } = await server.services.audit.list(
      { accountId: person.id, type: 'organization.member-removed' },
      { limit: 5, cursor: null },
    );
    expect(items[0]?.actor).toEqual({ kind: 'account', id: person.id });
  });

  it('warns the last one who can manage an organization, and only that one', async () => {
    const { person, browser } = await somebody();
    const other = await createPerson(server.services);
    const { organizations, access } = server.services;
    const { id } = await organization('Small');
    const role = await access.createRole(
      { name: 'keeper', permissions: ['organizations:update'], organizationId: id },
      acting,
    );
    for (const account of [person, other]) await organizations.addMember(id, account.id, operator);
    const give = (account: { id: string }) =>
      access.assign(
        { roleId: role.id, subject: { kind: 'account', id: account.id }, organizationId: id },
        acting,
      );
    await give(person);
    expect((await browser.open(`${PATH}/${id}/leave`)).html).toContain('You are the last member');
    await give(other);
    expect((await browser.open(`${PATH}/${id}/leave`)).html).not.toContain('You are the last member');
  });

  it('shows invitations to a proved address, and takes the answer', async () => {
    const { person, browser } = await somebody();
    const { registration, organizations } = server.services;
    const [one, two] = [await organization('Come in'), await organization('No thanks')];
    for (const { id } of [one, two]) {
      await registration.invitations.create(id, { email: person.email ?? '' }, operator);
    }
    const page = await browser.open(PATH);
    expect(page.html).toContain('Come in');
    const answered = (name: string, shown: typeof page) => {
      const [form] = [...shown.html.matchAll(/<form[^>]*invitations">[\s\S]*?<\/form>/g)].filter(([text]) =>
        text.includes(name),
      );
      return /name="invitation" value="([^"]+)"/.exec(form?.[0] ?? '')?.[1] ?? '';
    };
    const yes = { invitation: answered('Come in', page), answer: 'accept' };
    const accepted = await browser.submit(page, yes, '/invitations');
    expect(accepted.html).toContain('You are a member now.');
    expect(await organizations.findMember(one.id, person.id)).toBeDefined();
    const no = { invitation: answered('No thanks', accepted), answer: 'decline' };
    const declined = await browser.submit(accepted, no, '/invitations');
    expect(declined.html).toContain('The invitation is declined.');
    expect(await organizations.findMember(two.id, person.id)).toBeUndefined();
    const again = await browser.submit(accepted, no, '/invitations');
    expect(again.status).toBe(409);
    expect(again.html).toContain('does not work any more');
  });

  it('shows and accepts no invitation for an address that is not proved, or is somebody else’s', async () => {
    const unproved = await somebody(false);
    const invited = await somebody();
    const { registration, organizations } = server.services;
    const { id } = await organization('Members only');
    const { invitations } = registration;
    await invitations.create(id, { email: unproved.person.email ?? '' }, operator);
    expect((await unproved.browser.open(PATH)).html).not.toContain('Members only');
    const theirs = await invitations.create(id, { email: invited.person.email ?? '' }, operator);
    const stranger = await somebody();
    for (const answer of ['accept', 'decline'] as const) {
      expect(await invitations.answer(theirs.id, answer, unproved.person.id)).toBe(false);
      expect(await invitations.answer(theirs.id, answer, stranger.person.id)).toBe(false);
    }
    expect(await organizations.findMember(id, stranger.person.id)).toBeUndefined();
    expect(await invitations.pendingOf(invited.person.id)).toHaveLength(1);
  });
});
