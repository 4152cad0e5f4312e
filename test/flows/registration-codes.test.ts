// Registration codes and invitations: who is let in by which, and how often.
import { beforeAll, describe, expect, it } from 'vitest';
import { createBrowser, type Shown } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';
import { createPerson, operator, password } from '../support/people.ts';

const limits = {
  VERIFICATIONS_PER_ADDRESS: '100000',
};
const gatehouse = useGatehouse({ settings: { REGISTRATION: 'code', ...limits } });
const mailbox = useMailbox(gatehouse);
let count = 0;
const fresh = () => {
  count += 1;
  return `comer${count}@example.com`;
};

const made: { organizationId?: string; teamId?: string } = {};
beforeAll(async () => {
  const { organizations } = gatehouse.services;
  const { id } = await organizations.create({ slug: 'harbour', name: 'Harbour works' }, operator);
  const team = await organizations.createTeam(id, { name: 'Pilots' }, operator);
  Object.assign(made, { organizationId: id, teamId: team.id });
});

const codeOf = async (maximumUses: number, expiresAt: Date | null = null) =>
  gatehouse.services.registration.codes.create({ maximumUses, note: 'test', expiresAt }, operator);

/** Without pages: as far as the proof of the address. */
async function arrive(code: string): Promise<{ binding: string; email: string }> {
  const email = fresh();
  const binding = `binding-${email}`;
  const { registration } = gatehouse.services;
  expect(await registration.begin({ binding, email, code, locale: 'en' })).toEqual({ kind: 'sent' });
  const mail = await mailbox.next(email, 'register');
  expect(await registration.prove(binding, mail.code ?? '')).toBe('ok');
  return { binding, email };
}

const particulars = { username: null, profile: {}, password, acceptsTerms: false, locale: 'en' };

describe('a registration code', () => {
  it('C13: lets in as many as it has uses, however many come at once', async () => {
    const { registrationCode, code } = await codeOf(5);
    const comers = [];
    for (let turn = 0; turn < 30; turn += 1) comers.push(await arrive(code));
    const { registration } = gatehouse.services;
    const ends = await Promise.all(comers.map(({ binding }) => registration.finish(binding, particulars)));
    const kinds = Object.groupBy(ends, ({ kind }) => kind);
    expect(kinds.ok).toHaveLength(5);
    expect(kinds.code_invalid).toHaveLength(25);
    const emails = comers.map(({ email }) => email);
    expect(await gatehouse.database.db('account_identifiers').whereIn('normalized', emails)).toHaveLength(5);
    const [row] = await gatehouse.database.db('registration_codes').where({ id: registrationCode.id });
    expect(row.uses).toBe(5);
    expect(await registration.begin({ binding: 'late', email: fresh(), code, locale: 'en' })).toEqual({
      kind: 'code_invalid',
    });
  });

  it('is typed in any letters, stands nowhere in clear, and is refused when revoked, over or not there', async () => {
    const { registrationCode, code } = await codeOf(2);
    const { registration } = gatehouse.services;
    expect(code).toMatch(/^[0-9A-Z]{4}(-[0-9A-Z]{4}){3}$/);
    const rows = await gatehouse.database.db('registration_codes').select();
    expect(JSON.stringify(rows)).not.toContain(code);
    expect(await registration.codes.find(code.toLowerCase().replaceAll('-', ' '))).toBe(registrationCode.id);
    await registration.codes.revoke(registrationCode.id, operator);
    for (const wrong of [code, 'AAAA-BBBB-CCCC-DDDD', '', 'x'.repeat(5000)]) {
      const asked = { binding: 'wrong', email: fresh(), code: wrong, locale: 'en' };
      expect(await registration.begin(asked)).toEqual({ kind: 'code_invalid' });
    }
    await expect(codeOf(1, new Date(0))).rejects.toMatchObject({ code: 'request_invalid' });
  });

  it('gives no use away when what follows fails', async () => {
    const { registrationCode, code } = await codeOf(1);
    const { binding } = await arrive(code);
    const { registration } = gatehouse.services;
    const refused = await registration.finish(binding, { ...particulars, password: 'short' });
    expect(refused).toEqual({ kind: 'refused', fields: { password: 'error.password_too_short' } });
    expect(await registration.codes.find(code)).toBe(registrationCode.id);
    expect((await registration.finish(binding, particulars)).kind).toBe('ok');
  });

  it('is prefilled by the link of /sign-up, and leaves the address', async () => {
    const { code } = await codeOf(1);
    const browser = createBrowser(gatehouse.issuer);
    const page = await browser.open(`/sign-up?code=${code}`);
    expect(page.html).toContain(`value="${code}"`);
    expect(page.url).not.toContain(code);
    const email = fresh();
    const wrong = await browser.submit(page, { email, registration_code: 'nonsense' }, '/register');
    expect(wrong.html).toContain('does not work');
    expect(wrong.html).toContain(`value="${email}"`);
    const sent = await browser.submit(wrong, { registration_code: code }, '/register');
    const again = await browser.submit(
      { ...sent, forms: sent.forms.filter(({ fields }) => 'email' in fields) },
      {},
    );
    expect(again.html).toContain('Look into your mailbox');
  });
});

describe('an invitation', () => {
  const invite = (email: string, more = {}) =>
    gatehouse.services.registration.invitations.create(
      made.organizationId ?? '',
      { email, teamId: made.teamId, ...more },
      operator,
    );

  async function register(browser: ReturnType<typeof createBrowser>, page: Shown, email: string) {
    const sent = await browser.submit(page, { email }, '/register');
    const { code = '' } = await mailbox.next(email, 'register');
    const form = await browser.submit(sent, { code }, '/register/code');
    expect(form.html).toContain('Harbour works');
    return browser.submit(form, { password }, '/register/account');
  }

  it('lets somebody in without a code, into organization and team, once', async () => {
    const email = fresh();
    await invite(email);
    const { link = '', text } = await mailbox.next(email, 'invitation');
    expect(text).not.toContain('Harbour');
    const browser = createBrowser(gatehouse.issuer);
    const landing = await browser.open(link);
    expect(landing.html).toContain('Harbour works');
    expect(landing.html).toContain('Pilots');
    const [, href = ''] = /href="([^"]*prompt=create[^"]*)"/.exec(landing.html) ?? [];
    const page = await browser.open(href.replaceAll('&amp;', '&').replaceAll('&#38;', '&'));
    expect(page.html).toContain(`value="${email}"`);
    const other = await browser.submit(page, { email: fresh() }, '/register');
    expect(other.html).toContain('for another address');
    await register(browser, page, email);
    const account = await gatehouse.services.accounts.findByIdentifier(email);
    const [place] = await gatehouse.services.organizations.membershipsOf(account?.id ?? '');
    expect(place).toMatchObject({ slug: 'harbour', teamIds: [made.teamId] });
    expect((await createBrowser(gatehouse.issuer).open(link)).status).toBe(410);
  });

  it('is accepted by who has an account with that address, and by nobody else', async () => {
    const { services } = gatehouse;
    const email = fresh();
    const theirs = await createPerson(services, { email });
    const stranger = await createPerson(services);
    await services.accounts.change(stranger.id, { emailVerified: true }, operator);
    await invite(email);
    const { link = '' } = await mailbox.next(email, 'invitation');
    const token = new URL(link).searchParams.get('invitation') ?? '';
    const { invitations } = services.registration;
    expect(await invitations.accept(token, stranger.id)).toBe(false);
    // The same address, which nobody has proved.
    expect(await invitations.accept(token, theirs.id)).toBe(false);
    await services.accounts.change(theirs.id, { emailVerified: true }, operator);
    const browser = createBrowser(gatehouse.issuer);
    await browser.open(link);
    const signIn = await browser.open('/account/invitation');
    const page = await browser.submit(signIn, { identifier: email, password }, '/login');
    expect(page.html).toContain('If you accept');
    const done = await browser.submit(page, {}, '/accept');
    expect(done.html).toContain('You are a member now');
    expect(await services.organizations.findMember(made.organizationId ?? '', theirs.id)).toBeDefined();
    expect(await invitations.accept(token, theirs.id)).toBe(false);
  });

  it('works no more when it was taken back, sent anew, declined or is over', async () => {
    const { invitations } = gatehouse.services.registration;
    const organizationId = made.organizationId ?? '';
    const email = fresh();
    const tokenOf = async () =>
      new URL((await mailbox.next(email, 'invitation')).link ?? '').searchParams.get('invitation') ?? '';
    const first = await invite(email);
    const one = await tokenOf();
    await invitations.resend(organizationId, first.id, operator);
    const two = await tokenOf();
    expect(await invitations.open(one)).toBeUndefined();
    expect(await invitations.open(two)).toBeDefined();
    await invite(email);
    const three = await tokenOf();
    expect(await invitations.open(two)).toBeUndefined();
    const person = await createPerson(gatehouse.services, { email });
    await gatehouse.services.accounts.change(person.id, { emailVerified: true }, operator);
    expect(await invitations.decline(three, person.id)).toBe(true);
    expect(await invitations.open(three)).toBeUndefined();
    const { id } = await invite(email);
    const four = await tokenOf();
    await gatehouse.database
      .db('organization_invitations')
      .where({ id })
      .update({ expires_at: new Date(Date.now() - 1000) });
    expect(await invitations.accept(four, person.id)).toBe(false);
    await expect(invitations.revoke(organizationId, first.id, operator)).rejects.toMatchObject({
      code: 'invitation_ended',
    });
  });
});
