// The second step of a sign-in, as people meet it: asked of whoever has a factor, set up by whoever needs one.
import { generateSync } from 'otplib';
import { describe, expect, it } from 'vitest';
import { type Browser, createBrowser, type Shown } from '../support/browser.ts';
import { addAuthenticator, codeOf } from '../support/factors.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';
import { createPerson, operator, password } from '../support/people.ts';
import { type RelyingParty, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();
const mailbox = useMailbox(gatehouse);

async function afterPassword(
  app: RelyingParty,
  person: { email: string | null },
  params: Record<string, string> = {},
  browser: Browser = createBrowser(gatehouse.issuer),
) {
  const begun = await app.begin(params);
  const page = await browser.open(begun.url);
  const next = await browser.submit(page, { identifier: person.email ?? '', password }, '/login');
  return { browser, begun, page: next };
}

const sentence = (page: Shown) => page.html.replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' ');

async function withApp() {
  const person = await createPerson(gatehouse.services);
  const recoveryCodes = await addAuthenticator(gatehouse.services, person);
  const app = await relyingParty(gatehouse, { firstParty: true });
  return { person, recoveryCodes, app };
}

describe('the second step', () => {
  it('is asked of whoever has a factor, and no session stands before it is answered', async () => {
    const { person, app } = await withApp();
    const { browser, page, begun } = await afterPassword(app, person);

    expect(page.html).toContain('autocomplete="one-time-code"');
    expect(page.html).toContain('inputmode="numeric"');
    const { items } = await gatehouse.services.sessions.list(
      { accountId: person.id },
      { limit: 10, cursor: null },
    );
    expect(items).toEqual([]);

    const code = await codeOf(person);
    const landed = await browser.submit(
      page,
      { code: `${code.slice(0, 3)} ${code.slice(3)}` },
      '/second-factor',
    );
    const tokens = await app.finish(landed.url, begun);
    expect(tokens.claims()).toMatchObject({ acr: 'mfa', amr: ['pwd', 'otp', 'mfa'] });
  });

  it('says what is wrong beside the field, and can be tried again', async () => {
    const { person, app } = await withApp();
    const { browser, page } = await afterPassword(app, person);

    const wrong = await browser.submit(page, { code: '000000' }, '/second-factor');
    expect(wrong.status).toBe(401);
    expect(wrong.html).toContain('aria-invalid="true"');
    const empty = await browser.submit(wrong, { code: ' ' }, '/second-factor');
    expect(empty.status).toBe(400);
    const landed = await browser.submit(empty, { code: await codeOf(person) }, '/second-factor');
    expect(landed.url).toContain('code=');
  });

  it('takes a recovery code, once', async () => {
    const { person, recoveryCodes, app } = await withApp();
    const [code = ''] = recoveryCodes;
    for (const expected of ['code=', '/second-factor']) {
      const { browser, page } = await afterPassword(app, person);
      const href = /href="([^"]+way=recovery-code)"/.exec(page.html)?.[1] ?? '';
      const other = await browser.open(href);
      const landed = await browser.submit(other, { code }, '/second-factor');
      expect(landed.url).toContain(expected);
    }
  });

  it('may be left for another account, or for the app', async () => {
    const { person, app } = await withApp();
    const { browser, page } = await afterPassword(app, person);

    expect((await browser.submit(page, {}, '/switch-account')).html).toContain('type="password"');
    expect((await browser.submit(page, {}, '/cancel')).url).toContain('error=access_denied');
  });

  it('is spared in a browser that was remembered, where two steps are enough and nowhere else', async () => {
    const { person, app } = await withApp();
    const { browser, page } = await afterPassword(app, person);
    await browser.submit(page, { code: await codeOf(person), remember: 'yes' }, '/second-factor');

    const again = await afterPassword(app, person, { prompt: 'login' }, browser);
    const tokens = await app.finish(again.page.url, again.begun);
    expect(tokens.claims()).toMatchObject({ acr: '2sv', amr: ['pwd', 'device'] });
    const stronger = await afterPassword(app, person, { prompt: 'login', acr_values: 'mfa' }, browser);
    expect(stronger.page.html).toContain('one-time-code');
  });
});

describe('a second factor that is required and missing', () => {
  it('is set up on the way, its recovery codes are shown once, and the sign-in goes on', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse, { firstParty: true, requiredAcr: 'mfa' });
    const { browser, page, begun } = await afterPassword(app, person);
    expect(sentence(page)).toContain(app.client.name);

    const totp = await browser.open(/href="([^"]+kind=totp)"/.exec(page.html)?.[1] ?? '');
    expect(totp.html).toContain('data:image/svg+xml,');
    const secret = (/<code id="secret"[^>]*>([^<]+)</.exec(totp.html)?.[1] ?? '').replaceAll(' ', '');
    const wrong = await browser.submit(totp, { code: '000000' }, '/totp');
    expect(wrong.status).toBe(400);
    expect(wrong.html).toContain(secret.slice(0, 4));

    const codes = await browser.submit(wrong, { code: generateSync({ secret }) }, '/totp');
    expect(codes.html.match(/<li><code>/g)).toHaveLength(10);
    const landed = await browser.open(/<a class="button" href="([^"]+)"/.exec(codes.html)?.[1] ?? '');
    const tokens = await app.finish(landed.url, begun);
    expect(tokens.claims()).toMatchObject({ acr: 'mfa', amr: ['pwd', 'otp', 'mfa'] });
  });

  describe('by text messages', () => {
    const href = ({ html }: Shown, pattern: RegExp) =>
      pattern.exec(html)?.[1]?.replaceAll('&amp;', '&') ?? '';

    it('is a number that proves itself by a code, with what is wrong beside the field', async () => {
      const person = await createPerson(gatehouse.services);
      const app = await relyingParty(gatehouse, { firstParty: true, requiredAcr: 'mfa' });
      const { browser, page, begun } = await afterPassword(app, person);
      const sms = await browser.open(href(page, /href="([^"]+kind=sms)"/));
      const empty = await browser.submit(sms, { to: '' }, '/sms');
      expect([empty.status, empty.html.includes('id="to-error"')]).toEqual([400, true]);
      const odd = await browser.submit(empty, { to: '0660 12' }, '/sms');
      expect(odd.html).toContain('with + and the country in front');
      expect(odd.html).toContain('value="0660 12"');
      const sent = await browser.submit(odd, { to: '+43 660 1234567' }, '/sms');
      expect(sent.html).toContain('•••• 67');
      const { code = '' } = await mailbox.next('+436601234567');
      const wrong = await browser.submit(sent, { code: '000000' }, '/sms');
      expect([wrong.status, wrong.html.includes('id="code-error"')]).toEqual([400, true]);
      expect(wrong.html).toContain('We sent a code to +43 660 1234567.');
      expect((await browser.submit(wrong, { code: ' ' }, '/sms')).status).toBe(400);
      const codes = await browser.submit(wrong, { code }, '/sms');
      expect(codes.html.match(/<li><code>/g)).toHaveLength(10);
      const landed = await browser.open(href(codes, /<a class="button" href="([^"]+)"/));
      const tokens = await app.finish(landed.url, begun);
      expect(tokens.claims()).toMatchObject({ acr: 'mfa', amr: ['pwd', 'sms', 'mfa'] });
    });

    it('is not offered to administrators, nor taken from them, nor where a passkey is wanted', async () => {
      const admin = await createPerson(gatehouse.services);
      await gatehouse.services.accounts.change(admin.id, { admin: true }, operator);
      const person = await createPerson(gatehouse.services);
      const [app, strict] = [
        await relyingParty(gatehouse, { firstParty: true }),
        await relyingParty(gatehouse, { firstParty: true, requiredAcr: 'phr' }),
      ];
      for (const [at, who] of [
        [app, admin],
        [strict, person],
      ] as const) {
        const { browser, page } = await afterPassword(at, who);
        expect(page.html).toContain('/enrol-factor');
        expect(page.html).not.toContain('kind=sms');
        const [form] = page.forms;
        const action = page.url.replace(/(\/interaction\/[^/?]+).*/, '$1/enrol-factor/sms');
        const forged = { ...page, forms: [{ action, method: 'post', fields: form?.fields ?? {} }] };
        await browser.submit(forged, { to: '+43 660 7654321' });
        expect(await mailbox.waiting('+436607654321')).toEqual([]);
      }
    });
  });
});
